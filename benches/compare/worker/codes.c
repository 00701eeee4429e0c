/* The codes, as a file has them: a time step or 0, a wrong code, and then the right ones, from that time step on or, after
 * a 0, those of a device that counts. */
#include "worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static char (*codes)[16];
static char wrong[16];
static size_t count;
static unsigned long long first;

void read_codes(const char *file)
{
	FILE *stream = fopen(file, "re");
	size_t room = 0;

	if (!stream || fscanf(stream, "%llu %15s", &first, wrong) != 2)
		fail("codes", file);
	for (;;) {
		if (count == room)
			codes = realloc(codes, (room = 2 * room + 64) * sizeof(*codes));
		if (fscanf(stream, "%15s", codes[count]) != 1)
			break;
		count++;
	}
	fclose(stream);
}

const char *right_code(size_t round)
{
	size_t position = first ? time(NULL) / 30 - first : round;

	if (position >= count)
		fail("codes", "none is left");
	return codes[position];
}

const char *wrong_code(void)
{
	return wrong;
}

size_t code_count(void)
{
	return count;
}
