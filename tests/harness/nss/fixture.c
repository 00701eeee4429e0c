/* The NSS service "fixture" (nsswitch.conf(5)): answers about groups and accounts that a test wrote into a file, one a line.
 *
 *     DATABASE NAME [WHEN] found WORD...   an entry
 *     DATABASE NAME [WHEN] missing         it says that there is none
 *     DATABASE NAME [WHEN] fails ERRNO     it cannot be asked
 *     DATABASE NAME [WHEN] again ERRNO     it cannot be asked right now
 *     groups USER once ERRNO missing       the first time, it cannot be asked for the groups of a user
 *
 * DATABASE is "group" (found GID [MEMBER,MEMBER]) or "passwd" (found CANONICAL-NAME UID GID); "#UID" is the name by which
 * an account is looked up by its number. WHEN is "slow SECONDS", or "once ERRNO": it cannot be asked the first time. What is
 * in no line is not found. What was asked is noted in another file.
 *
 * With MEMBERS_ONLY it is a service that cannot be asked for the groups of a user: each group has the list of its members. */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWERS "/run/harness/nss/answers"
#define ASKED "/run/harness/nss/asked"
#define WORDS 8
#define LINE 512

/* Reads the next line into words; 0 at the end of the file. The words that are not there are empty. */
static int next_line(FILE *file, char line[LINE], char *words[WORDS])
{
    char *rest = NULL;
    int count = 0;
    if (fgets(line, LINE, file) == NULL)
        return 0;
    for (char *word = strtok_r(line, " \n", &rest); word && count < WORDS; word = strtok_r(NULL, " \n", &rest))
        words[count++] = word;
    while (count < WORDS)
        words[count++] = "";
    return 1;
}

/* Notes a question; returns whether it is the first time. */
static int first_time(const char *database, const char *name)
{
    char question[LINE], line[LINE];
    int first = 1;
    snprintf(question, sizeof question, "%s %s\n", database, name);
    FILE *file = fopen(ASKED, "a+e");
    if (file == NULL)
        return 1;
    rewind(file);
    while (fgets(line, sizeof line, file))
        first = first && strcmp(line, question) != 0;
    fputs(question, file);
    fclose(file);
    return first;
}

/* The status of a name, and where its entry begins. */
static enum nss_status look_up(const char *database, const char *name, char line[LINE], char *words[WORDS], char ***entry, int *errnop)
{
    int first = first_time(database, name);
    FILE *file = fopen(ANSWERS, "re");
    *errnop = ENOENT;
    if (file == NULL)
        return NSS_STATUS_NOTFOUND;
    int found = 0;
    while (!found && next_line(file, line, words))
        found = strcmp(words[0], database) == 0 && strcmp(words[1], name) == 0;
    fclose(file);
    if (!found)
        return NSS_STATUS_NOTFOUND;
    char **verb = words + 2;
    if (strcmp(verb[0], "slow") == 0) {
        sleep((unsigned)atoi(verb[1]));
        verb += 2;
    } else if (strcmp(verb[0], "once") == 0) {
        *errnop = atoi(verb[1]);
        if (first)
            return NSS_STATUS_UNAVAIL;
        verb += 2;
    }
    *entry = verb + 1;
    if (strcmp(verb[0], "found") == 0)
        return NSS_STATUS_SUCCESS;
    if (strcmp(verb[0], "missing") == 0) {
        *errnop = 0;
        return NSS_STATUS_NOTFOUND;
    }
    *errnop = atoi(verb[1]);
    return strcmp(verb[0], "again") == 0 ? NSS_STATUS_TRYAGAIN : NSS_STATUS_UNAVAIL;
}

/* Copies a string into the caller's buffer, NULL when it does not fit. */
static char *keep(const char *text, char **buffer, size_t *room)
{
    size_t size = strlen(text) + 1;
    if (size > *room)
        return NULL;
    char *kept = memcpy(*buffer, text, size);
    *buffer += size;
    *room -= size;
    return kept;
}

static enum nss_status too_small(int *errnop)
{
    *errnop = ERANGE;
    return NSS_STATUS_TRYAGAIN;
}

/* The members of a group: with MEMBERS_ONLY; otherwise they are looked for with initgroups. A list of pointers has to
 * be aligned. */
static char **members(char *list, char **buffer, size_t *room)
{
    char *rest = NULL;
    size_t count = 0, astray = -(size_t)*buffer % sizeof(char *);
    size_t size = astray + WORDS * sizeof(char *);
    if (*room < size)
        return NULL;
    char **kept = (char **)(*buffer + astray);
    *buffer += size;
    *room -= size;
#ifdef MEMBERS_ONLY
    for (char *name = strtok_r(list, ",", &rest); name && count < WORDS - 1; name = strtok_r(NULL, ",", &rest))
        if ((kept[count++] = keep(name, buffer, room)) == NULL)
            return NULL;
#else
    (void)list, (void)rest;
#endif
    kept[count] = NULL;
    return kept;
}

enum nss_status _nss_fixture_getgrnam_r(const char *name, struct group *group, char *buffer, size_t room, int *errnop)
{
    char line[LINE], *words[WORDS], **entry;
    enum nss_status status = look_up("group", name, line, words, &entry, errnop);
    if (status != NSS_STATUS_SUCCESS)
        return status;
    group->gr_gid = (gid_t)atol(entry[0]);
    group->gr_mem = members(entry[1], &buffer, &room);
    group->gr_name = keep(name, &buffer, &room);
    group->gr_passwd = keep("x", &buffer, &room);
    return group->gr_mem && group->gr_name && group->gr_passwd ? NSS_STATUS_SUCCESS : too_small(errnop);
}

#ifndef MEMBERS_ONLY
/* Whether a name is in a list with commas. */
static int listed(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == length && strncmp(at, name, length) == 0)
            return 1;
    return 0;
}

enum nss_status _nss_fixture_initgroups_dyn(const char *user, gid_t skip, long *start, long *size, gid_t **groups, long limit, int *errnop)
{
    char line[LINE], *words[WORDS], **entry;
    enum nss_status status = look_up("groups", user, line, words, &entry, errnop);
    if (status == NSS_STATUS_UNAVAIL)
        return status;
    FILE *file = fopen(ANSWERS, "re");
    if (file == NULL)
        return NSS_STATUS_NOTFOUND;
    while (next_line(file, line, words)) {
        char **verb = words + (strcmp(words[2], "slow") == 0 || strcmp(words[2], "once") == 0 ? 4 : 2);
        if (strcmp(words[0], "group") != 0 || strcmp(verb[0], "found") != 0 || !listed(verb[2], user))
            continue;
        gid_t gid = (gid_t)atol(verb[1]);
        if (gid == skip || (limit > 0 && *start >= limit))
            continue;
        if (*start == *size) {
            gid_t *more = realloc(*groups, 2 * (size_t)*size * sizeof **groups);
            if (more == NULL) {
                fclose(file);
                *errnop = ENOMEM;
                return NSS_STATUS_TRYAGAIN;
            }
            *groups = more;
            *size *= 2;
        }
        (*groups)[(*start)++] = gid;
    }
    fclose(file);
    return NSS_STATUS_SUCCESS;
}
#endif

static enum nss_status account(char **entry, struct passwd *passwd, char *buffer, size_t room, int *errnop)
{
    passwd->pw_uid = (uid_t)atol(entry[1]);
    passwd->pw_gid = (gid_t)atol(entry[2]);
    passwd->pw_name = keep(entry[0], &buffer, &room);
    passwd->pw_passwd = keep("x", &buffer, &room);
    passwd->pw_gecos = keep("", &buffer, &room);
    passwd->pw_dir = keep("/", &buffer, &room);
    passwd->pw_shell = keep("/bin/sh", &buffer, &room);
    return passwd->pw_shell ? NSS_STATUS_SUCCESS : too_small(errnop);
}

enum nss_status _nss_fixture_getpwnam_r(const char *name, struct passwd *passwd, char *buffer, size_t room, int *errnop)
{
    char line[LINE], *words[WORDS], **entry;
    enum nss_status status = look_up("passwd", name, line, words, &entry, errnop);
    return status == NSS_STATUS_SUCCESS ? account(entry, passwd, buffer, room, errnop) : status;
}

enum nss_status _nss_fixture_getpwuid_r(uid_t uid, struct passwd *passwd, char *buffer, size_t room, int *errnop)
{
    char name[32];
    snprintf(name, sizeof name, "#%lu", (unsigned long)uid);
    return _nss_fixture_getpwnam_r(name, passwd, buffer, room, errnop);
}
