/* A machine with faults, for LD_PRELOAD. BAD_MACHINE names a folder; a file in it switches a fault on, at once and for
   every process that has the library: `slow` (each sync of a file takes that many ms longer), `eio` (each sync
   fails), `full` (databases cannot grow: writes at an offset end with ENOSPC), `clock` (the wall clock is off by that many seconds). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* The number in a file of the folder, 0 without one; an empty file counts as 1. */
static long fault(const char *name) {
    const char *folder = getenv("BAD_MACHINE");
    char path[4096], text[32];
    if (!folder || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0) return 1;
    text[size] = 0;
    return atol(text);
}

#define SYNC(name) int name(int fd) { \
    REAL(name); \
    usleep(fault("slow") * 1000); \
    if (fault("eio")) { errno = EIO; return -1; } \
    return real(fd); }
SYNC(fsync)
SYNC(fdatasync)

#define FULL(name, offset) ssize_t name(int fd, const void *data, size_t size, offset at) { \
    REAL(name); \
    if (fault("full")) { errno = ENOSPC; return -1; } \
    return real(fd, data, size, at); }
FULL(pwrite, off_t)
FULL(pwrite64, off64_t)

int clock_gettime(clockid_t which, struct timespec *now) {
    REAL(clock_gettime);
    int result = real(which, now);
    if (!result && which == CLOCK_REALTIME) now->tv_sec += fault("clock");
    return result;
}
