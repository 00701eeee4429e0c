/* A PAM application as sshd is one: written in C, so that nothing is in the process that only Rust programs have. What it
 * measures stands in the comments of main.c; what comes of the samples is not its business. */
#ifndef WORKER_H
#define WORKER_H

#include <stddef.h>
#include <sys/types.h>

/* Nanoseconds of the parts of a transaction. */
struct times {
	unsigned long long whole;     /* pam_start to pam_end */
	unsigned long long auth;      /* pam_authenticate alone */
	unsigned long long whole_cpu; /* processor time of the whole, in own code and in the kernel */
	unsigned long long auth_cpu;  /* processor time of pam_authenticate */
};

/* A service that is measured: NAME,MODULE,FILE on the command line. */
struct service {
	const char *name;
	const char *module;
	const char *file; /* put back before each login, or what is written beside it; may be empty */
	char *content;    /* of a file that is put back, as it was at first */
	size_t length;
	uid_t owner;
	gid_t group;
};

/* Ends the process with what it was doing and the error of the system. */
void fail(const char *what, const char *about) __attribute__((noreturn));

/* login.c */
unsigned long long wall_time(void);
unsigned long long cpu_time(void);
int login(const char *stacks, const char *service, const char *user, const char *code, struct times *times);
void load(const char *module);

/* files.c */
void remember(struct service *service);
void restore(const struct service *service);
int is_addition(const struct service *service);
void add(const char *service);

/* codes.c */
void read_codes(const char *file);
const char *right_code(size_t round);
const char *wrong_code(void);
size_t code_count(void);

#endif
