/* Makes the n-th change of files below a folder fail, or kills the process right before it.
 *
 * Preloaded by faults.py; does nothing until fault_arm() is called. Counts files that this process
 * opens for writing, writes, flushes, shortens, renames and removes, and folders that it makes and
 * removes. From then on the clock stands still, so that two runs write the same bytes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { NONE, KILL, FULL, ONCE, GONE };

static char root[4096];
static size_t root_length;
static int kind, at, failure;
static volatile int done;
static int frozen;

void fault_arm(const char *folder, int what, int number, int error) {
    strncpy(root, folder, sizeof root - 1);
    root_length = strlen(root);
    kind = what, at = number, failure = error, done = 0, frozen = 1;
}

int fault_count(void) { return done; }

static int below(const char *path) {
    return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int of_descriptor(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int of_path(int folder, const char *path) {
    if (path[0] == '/') return below(path);
    if (folder != AT_FDCWD) return of_descriptor(folder);
    char here[4096];
    return syscall(SYS_getcwd, here, sizeof here) > 0 && below(here);
}

/* Count a call and return whether it fails; space: whether it needs some. */
static int fails(int counts, int space) {
    if (!root_length || !counts) return 0;
    int number = __sync_add_and_fetch(&done, 1);
    if (!at || number < at) return 0;
    if (kind == KILL) syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    if (kind == FULL && !space) return 0;
    if (kind == ONCE && number > at) return 0;
    if (kind == NONE) return 0;
    errno = failure;
    return 1;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define WRITES(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & O_CREAT))

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        REAL(name); \
        if (WRITES(flags) && fails(of_path(AT_FDCWD, path), flags & O_CREAT)) return -1; \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        REAL(name); \
        if (WRITES(flags) && fails(of_path(folder, path), flags & O_CREAT)) return -1; \
        return real(folder, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name) \
    FILE *name(const char *path, const char *mode) { \
        REAL(name); \
        if (strpbrk(mode, "wa+") && fails(of_path(AT_FDCWD, path), 1)) return NULL; \
        return real(path, mode); \
    }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int descriptor, const void *data, size_t size) {
    REAL(write);
    if (root_length && descriptor > 2 && fails(of_descriptor(descriptor), 1)) return -1;
    return real(descriptor, data, size);
}

ssize_t writev(int descriptor, const struct iovec *data, int number) {
    REAL(writev);
    if (root_length && descriptor > 2 && fails(of_descriptor(descriptor), 1)) return -1;
    return real(descriptor, data, number);
}

#define PWRITE(name, offset_type) \
    ssize_t name(int descriptor, const void *data, size_t size, offset_type offset) { \
        REAL(name); \
        if (root_length && fails(of_descriptor(descriptor), 1)) return -1; \
        return real(descriptor, data, size, offset); \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define SENDFILE(name, offset_type) \
    extern ssize_t name(int, int, offset_type *, size_t); \
    ssize_t name(int target, int source, offset_type *offset, size_t size) { \
        REAL(name); \
        if (root_length && fails(of_descriptor(target), 1)) return -1; \
        return real(target, source, offset, size); \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

#define OF_DESCRIPTOR(name) \
    int name(int descriptor) { \
        REAL(name); \
        if (root_length && fails(of_descriptor(descriptor), 0)) return -1; \
        return real(descriptor); \
    }
OF_DESCRIPTOR(fsync)
OF_DESCRIPTOR(fdatasync)

#define TRUNCATE(name, length_type) \
    int name(int descriptor, length_type length) { \
        REAL(name); \
        if (root_length && fails(of_descriptor(descriptor), 0)) return -1; \
        return real(descriptor, length); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int rename(const char *old, const char *new) {
    REAL(rename);
    if (root_length && fails(of_path(AT_FDCWD, new), 0)) return -1;
    return real(old, new);
}

int renameat(int old_folder, const char *old, int new_folder, const char *new) {
    REAL(renameat);
    if (root_length && fails(of_path(new_folder, new), 0)) return -1;
    return real(old_folder, old, new_folder, new);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    if (root_length && fails(of_path(AT_FDCWD, path), 1)) return -1;
    return real(path, mode);
}

#define OF_PATH(name) \
    int name(const char *path) { \
        REAL(name); \
        if (root_length && fails(of_path(AT_FDCWD, path), 0)) return -1; \
        return real(path); \
    }
OF_PATH(unlink)
OF_PATH(rmdir)
OF_PATH(remove)

int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat);
    if (root_length && fails(of_path(folder, path), 0)) return -1;
    return real(folder, path, flags);
}

int symlink(const char *target, const char *path) {
    REAL(symlink);
    if (root_length && fails(of_path(AT_FDCWD, path), 1)) return -1;
    return real(target, path);
}

int link(const char *old, const char *new) {
    REAL(link);
    if (root_length && fails(of_path(AT_FDCWD, new), 1)) return -1;
    return real(old, new);
}

int chmod(const char *path, mode_t mode) {
    REAL(chmod);
    if (root_length && fails(of_path(AT_FDCWD, path), 0)) return -1;
    return real(path, mode);
}

#define NOW (1700L * 1000 * 1000) /* 14 November 2023 */

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (frozen && clock == CLOCK_REALTIME) {
        now->tv_sec = NOW, now->tv_nsec = 0;
        return 0;
    }
    return syscall(SYS_clock_gettime, clock, now);
}

time_t time(time_t *now) {
    if (!frozen) return syscall(SYS_time, now);
    if (now) *now = NOW;
    return NOW;
}
