/* worker MODE STACKS CODES USER NUMBER SERVICE...
 *
 * Prints what is mapped into the process before any module is loaded, "ready", and then what it measured:
 *
 * kept    NUMBER rounds in a process that has loaded every module and keeps it, with right codes; samples
 * wrong   the same with a wrong code
 * anew    the same, each login in a new process; the module is loaded by libpam and is part of the transaction
 * load    how long dlopen takes in a new process that has libpam already
 * once    one login with a right code (NUMBER 0) or a wrong one, to be traced; the result of PAM
 * memory  smaps_rollup before and after the module of the last service was loaded and a right code was taken, after a login
 *         at the first service
 * crowd   NUMBER processes at once, each with a user of its own (USER and a number), for so many seconds as stand behind
 *         the service; right codes taken, refused, and milliseconds of each
 *
 * A sample is a line: the service and the four times of a login. At the end all files are as at the beginning. */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SERVICES = 16, MOST_PROCESSES = 64 };

static const char *mode, *stacks, *user;
static size_t number;
static struct service services[MOST_SERVICES];
static size_t service_count;

void fail(const char *what, const char *about)
{
	fprintf(stderr, "%s: %s: %s\n", what, about, strerror(errno));
	exit(1);
}

static int is_mode(const char *name)
{
	return !strcmp(mode, name);
}

static void print_file(const char *path)
{
	static char text[1 << 16];
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	while ((length = read(file, text, sizeof(text))) > 0)
		fwrite(text, 1, length, stdout);
	close(file);
}

static void must_agree(const char *service, int result)
{
	int taken = result == PAM_SUCCESS;

	if (taken == is_mode("wrong")) {
		fprintf(stderr, "%s %s\n", service, taken ? "took a wrong code" : "refused a right code");
		exit(1);
	}
}

/* Lets a copy of this process do it, and returns what came of it. */
static struct times in_new_process(const struct service *service, size_t round)
{
	struct times times;
	int ends[2], status;
	pid_t child;

	if (pipe(ends) || (child = fork()) < 0)
		fail("fork", service->name);
	if (!child) {
		if (is_mode("load")) {
			unsigned long long wall = wall_time(), cpu = cpu_time();

			load(service->module);
			times.whole_cpu = times.auth_cpu = cpu_time() - cpu;
			times.whole = times.auth = wall_time() - wall;
		} else {
			must_agree(service->name, login(stacks, service->name, user, right_code(round), &times));
		}
		_exit(write(ends[1], &times, sizeof(times)) != sizeof(times));
	}
	close(ends[1]);
	if (read(ends[0], &times, sizeof(times)) != sizeof(times))
		fail("a child failed", service->name);
	close(ends[0]);
	if (waitpid(child, &status, 0) != child || status)
		fail("a child failed", service->name);
	return times;
}

static struct times measured(const struct service *service, size_t round)
{
	struct times times;
	const char *code;

	if (!is_mode("load"))
		restore(service);
	if (is_mode("anew") || is_mode("load"))
		return in_new_process(service, round);
	code = is_mode("wrong") ? wrong_code() : right_code(round);
	must_agree(service->name, login(stacks, service->name, user, code, &times));
	return times;
}

/* Numbers that are the same in each run. */
static size_t drawn_below(size_t limit)
{
	static unsigned long long state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

/* In an order that is another one in each round: a service that always came after the same other one would be measured
 * with what that one left in the caches of the processor. The first rounds do not count. */
static void in_turns(void)
{
	size_t warm_up = (number + 19) / 20, order[MOST_SERVICES];
	struct times *samples = calloc(number * service_count, sizeof(*samples));

	for (size_t i = 0; i < service_count; i++)
		order[i] = i;
	for (size_t round = 0; round < warm_up + number; round++) {
		for (size_t last = service_count - 1; last > 0; last--) {
			size_t other = drawn_below(last + 1), moved = order[last];

			order[last] = order[other];
			order[other] = moved;
		}
		for (size_t i = 0; i < service_count; i++) {
			struct times times = measured(&services[order[i]], round);

			if (round >= warm_up)
				samples[(round - warm_up) * service_count + order[i]] = times;
		}
	}
	for (size_t i = 0; i < number * service_count; i++)
		printf("%s %llu %llu %llu %llu\n", services[i % service_count].name, samples[i].whole, samples[i].auth,
		       samples[i].whole_cpu, samples[i].auth_cpu);
	free(samples);
}

static void once(void)
{
	struct times times;
	const char *code = number ? wrong_code() : right_code(0);
	int result = login(stacks, services[0].name, user, code, &times);

	printf("%d\n", result);
}

static void memory(void)
{
	const struct service *last = &services[service_count - 1];
	struct times times;

	/* What libpam, the C library and this program need once is not the module's. */
	login(stacks, services[0].name, user, right_code(0), &times);
	getpwnam(user);
	print_file("/proc/self/smaps_rollup");
	load(last->module);
	must_agree(last->name, login(stacks, last->name, user, right_code(0), &times));
	print_file("/proc/self/smaps_rollup");
}

static void crowd_member(size_t member, unsigned long long begin, unsigned long long seconds, int result)
{
	unsigned long long counts[3] = {0, 0, 0}, end = begin + seconds * 1000000000ULL;
	char name[64];
	struct times times;

	snprintf(name, sizeof(name), "%s%zu", user, member);
	while (wall_time() < begin)
		nanosleep(&(struct timespec){.tv_nsec = begin - wall_time()}, NULL);
	/* A module can refuse faster than any accepts: without a code left, it stops. */
	for (size_t round = 0; round < code_count() && wall_time() < end; round++) {
		int refused = login(stacks, services[0].name, name, right_code(round), &times) != PAM_SUCCESS;

		counts[refused]++;
	}
	counts[2] = (wall_time() - begin) / 1000000;
	_exit(write(result, counts, sizeof(counts)) != sizeof(counts));
}

static void crowd(unsigned long long seconds)
{
	unsigned long long counts[3], begin;
	int ends[2], status;

	if (number > MOST_PROCESSES || pipe(ends))
		fail("crowd", user);
	load(services[0].module);
	begin = wall_time() + 300000000;
	for (size_t member = 0; member < number; member++)
		if (!fork())
			crowd_member(member, begin, seconds, ends[1]);
	for (size_t member = 0; member < number; member++)
		if (wait(&status) < 0 || status || read(ends[0], counts, sizeof(counts)) != sizeof(counts))
			fail("a child failed", user);
		else
			printf("%llu %llu %llu\n", counts[0], counts[1], counts[2]);
}

int main(int count, char **arguments)
{
	if (count < 7)
		return 2;
	mode = arguments[1], stacks = arguments[2], user = arguments[4];
	read_codes(arguments[3]);
	number = strtoul(arguments[5], NULL, 10);
	for (int i = 6; i < count && strchr(arguments[i], ','); i++) {
		struct service *service = &services[service_count++];

		if (service_count == MOST_SERVICES)
			return 2;
		service->name = strsep(&arguments[i], ",");
		service->module = strsep(&arguments[i], ",");
		service->file = arguments[i] ? arguments[i] : "";
		remember(service);
	}
	print_file("/proc/self/maps");
	puts("ready");
	fflush(stdout);
	if (is_mode("once"))
		once();
	else if (is_mode("memory"))
		memory();
	else if (is_mode("crowd"))
		crowd(strtoul(arguments[count - 1], NULL, 10));
	else {
		for (size_t i = 0; i < service_count && (is_mode("kept") || is_mode("wrong")); i++)
			load(services[i].module);
		in_turns();
	}
	for (size_t i = 0; i < service_count; i++)
		restore(&services[i]);
	return 0;
}
