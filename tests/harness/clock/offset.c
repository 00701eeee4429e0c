/* The wall clock of a machine, ahead of the real one or behind it by so many seconds as a file holds, as a number of 64 bits: also when
 * that changes while a program runs. Loaded into every program by /etc/ld.so.preload, also into those that are setuid. Time stamps of
 * files stay real. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define OFFSET "/run/harness/clock"

static const volatile int64_t *offset;

__attribute__((constructor)) static void set(void)
{
    int file = open(OFFSET, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED)
        offset = mapped;
    close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = (int)syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && offset != NULL)
        time->tv_sec += *offset;
    return result;
}
