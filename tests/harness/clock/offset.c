/* The wall clock of a machine, ahead of the real one or behind it by so many seconds as a file says when a program starts.
 * Loaded into every program by /etc/ld.so.preload, also into those that are setuid. Time stamps of files stay real. */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define OFFSET "/run/harness/clock"

static long offset;

__attribute__((constructor)) static void set(void)
{
    FILE *file = fopen(OFFSET, "re");
    if (file == NULL)
        return;
    if (fscanf(file, "%ld", &offset) != 1)
        offset = 0;
    fclose(file);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME)
        time->tv_sec += offset;
    return result;
}
