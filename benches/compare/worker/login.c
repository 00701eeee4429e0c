/* One login through libpam, timed, with marks around libpam's part for who traces it. */
#include "worker.h"

#include <dlfcn.h>
#include <errno.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static unsigned long long nanoseconds(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

unsigned long long wall_time(void)
{
	return nanoseconds(CLOCK_MONOTONIC);
}

unsigned long long cpu_time(void)
{
	return nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
}

/* The marks of the tests' own PAM application: an lseek(2) that fails and says "from here on", or "up to here". */
#define MARK_IN 0x70616d01
#define MARK_OUT 0x70616d00

static void mark(off_t side)
{
	int before = errno;

	lseek(-2, side, SEEK_SET);
	errno = before;
}

/* Gives the code to whatever is asked. */
static int converse(int count, const struct pam_message **messages, struct pam_response **responses, void *code)
{
	(void)messages;
	mark(MARK_OUT);
	*responses = calloc(count, sizeof(**responses));
	for (int i = 0; i < count; i++)
		(*responses)[i].resp = strdup(code);
	mark(MARK_IN);
	return PAM_SUCCESS;
}

/* Waits for nothing. */
static void delay(int status, unsigned microseconds, void *code)
{
	(void)status;
	(void)microseconds;
	(void)code;
}

int login(const char *stacks, const char *service, const char *user, const char *code, struct times *times)
{
	struct pam_conv conversation = {converse, (void *)code};
	pam_handle_t *handle = NULL;
	unsigned long long began[2], asked[2], answered[2], ended[2];
	int result;

	began[0] = wall_time(), began[1] = cpu_time();
	mark(MARK_IN);
	result = pam_start_confdir(service, user, &conversation, stacks, &handle);
	mark(MARK_OUT);
	if (result != PAM_SUCCESS)
		fail("pam_start", service);
	pam_set_item(handle, PAM_FAIL_DELAY, (const void *)delay);

	asked[0] = wall_time(), asked[1] = cpu_time();
	mark(MARK_IN);
	result = pam_authenticate(handle, 0);
	mark(MARK_OUT);
	add(service);
	answered[0] = wall_time(), answered[1] = cpu_time();

	mark(MARK_IN);
	pam_end(handle, result);
	mark(MARK_OUT);
	ended[0] = wall_time(), ended[1] = cpu_time();

	times->whole = ended[0] - began[0];
	times->auth = answered[0] - asked[0];
	times->whole_cpu = ended[1] - began[1];
	times->auth_cpu = answered[1] - asked[1];
	return result;
}

/* Loads a module as libpam does, and keeps it. */
void load(const char *module)
{
	if (!dlopen(module, RTLD_NOW))
		fail("dlopen", dlerror());
}
