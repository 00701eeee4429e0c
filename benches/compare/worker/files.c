/* The files of a service: codes are good once, so they are put back before each login. And what is written beside
 * pam_permit, to see what a durable login costs at least. */
#include "worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What is added to a login. */
static char block[4096];
static int in_place = -1;
static char replaced[256], replacement[260];

/* A file with exactly this content, on the disk. */
static void write_file(const char *path, const char *content, size_t length, uid_t owner, gid_t group)
{
	struct stat status;
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (file < 0 || fstat(file, &status) || write(file, content, length) != (ssize_t)length)
		fail("write", path);
	if ((status.st_uid != owner || status.st_gid != group) && fchown(file, owner, group))
		fail("chown", path);
	if (fsync(file) || close(file))
		fail("flush", path);
}

void remember(struct service *service)
{
	struct stat status;
	int file;

	if (!*service->file || is_addition(service))
		return;
	file = open(service->file, O_RDONLY | O_CLOEXEC);
	if (file < 0 || fstat(file, &status))
		fail("open", service->file);
	service->length = status.st_size;
	service->owner = status.st_uid;
	service->group = status.st_gid;
	service->content = malloc(service->length);
	if (read(file, service->content, service->length) != status.st_size)
		fail("read", service->file);
	close(file);
}

void restore(const struct service *service)
{
	if (service->content)
		write_file(service->file, service->content, service->length, service->owner, service->group);
}

/* The service "write" overwrites its file in place, as our state is, and "replace" makes a new one and renames it, as
 * the peers do. */
int is_addition(const struct service *service)
{
	memset(block, 1, sizeof(block));
	if (!strcmp(service->name, "write")) {
		in_place = open(service->file, O_WRONLY | O_CLOEXEC);
		return 1;
	}
	if (!strcmp(service->name, "replace")) {
		snprintf(replaced, sizeof(replaced), "%s", service->file);
		snprintf(replacement, sizeof(replacement), "%s.new", replaced);
		return 1;
	}
	return 0;
}

void add(const char *service)
{
	if (!strcmp(service, "write")) {
		if (pwrite(in_place, block, sizeof(block), 0) != sizeof(block) || fdatasync(in_place))
			fail("write", service);
	} else if (!strcmp(service, "replace")) {
		write_file(replacement, block, sizeof(block), 0, 0);
		if (rename(replacement, replaced))
			fail("rename", replaced);
	}
}
