#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* In memory that both share. */
typedef struct outcome {
    bool ended; /* by itself: err says how */
    error err;
} outcome;

/* ---- the child ------------------------------------------------------------------------------- */

static size_t size_of_file(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || status.st_size < 0)
        return 0;
    double n_bytes = (double)status.st_size;
    return (size_t)(n_bytes < CHILD_MAX_BYTES ? n_bytes : CHILD_MAX_BYTES);
}

static size_t own_size(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%llu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
    struct rlimit now;
    if (getrlimit(resource, &now) != 0)
        return;
    now.rlim_max = hard < now.rlim_max ? hard : now.rlim_max;
    now.rlim_cur = soft < now.rlim_cur ? soft : now.rlim_cur;
    (void)setrlimit(resource, &now);
}

/* A crash is said in one line, by the parent: no handlers of MPI's, no last words of the C library. */
static void be_silent(void)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        (void)signal(signals[i], SIG_DFL);
    limit(RLIMIT_CORE, 0, 0);
#ifndef __SANITIZE_ADDRESS__ /* whose words are wanted */
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0)
        (void)dup2(null, STDERR_FILENO);
#endif
}

static void set_limits(const child_task *task)
{
    size_t n_bytes = task->n_bytes > 0 ? task->n_bytes : size_of_file(task->path), own = own_size();
    rlim_t t_cpu_s = CHILD_CPU_S + n_bytes / CHILD_BYTES_PER_S;
    limit(RLIMIT_CPU, t_cpu_s, t_cpu_s + 1);
    if (own > 0)
        limit(RLIMIT_AS, own + CHILD_BYTES + CHILD_SHARE * n_bytes, RLIM_INFINITY);
}

/* _exit forgets what gcov has counted. */
#ifdef COUNT_LINES
void __gcov_dump(void);
#else
#define __gcov_dump()
#endif

static void run_child(const child_task *task, child_work *work, void *arg, FILE *out,
                      outcome *shared)
{
    error err = {0};
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    be_silent();
    set_limits(task);
    if (work(arg, out, &err) && (fflush(out) != 0 || ferror(out)))
        error_environment(&err, "%s: what was read does not fit in memory", task->path);
    shared->err = err;
    shared->ended = true;
    __gcov_dump();
    _exit(0);
}

/* ---- the parent ------------------------------------------------------------------------------ */

/* What becomes of the file, for messages. */
typedef struct purpose {
    const char *present, *past;
    bool writes;
} purpose;

static const purpose reading = {"read", "read", false}, writing = {"write", "wrote", true};

static bool judge(const child_task *task, const purpose *of, const outcome *shared, int status,
                  error *err)
{
    if (shared->ended && shared->err.kind == ERROR_NONE)
        return true;
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const char *text = shared->err.text, *cause = number > 0 ? strsignal(number) : "without a word";
    int length = (int)strnlen(text, sizeof shared->err.text - 1);
    if (shared->ended)
        return (shared->err.kind == ERROR_USER ? error_user : error_environment)(err, "%.*s",
                                                                                 length, text);
    if (number == SIGKILL)
        return error_environment(err, "%s: the process that %s it was killed", task->path,
                                 of->past);
    if (of->writes)
        return error_environment(err, "%s: cannot be written: %s fails over it (%s)", task->path,
                                 task->reader, cause);
    if (number == SIGXCPU)
        return error_user(err, "%s: is damaged: %s does not come to an end with it", task->path,
                          task->reader);
    return error_user(err, "%s: is damaged: %s fails over it (%s)", task->path, task->reader,
                      cause);
}

static FILE *run(const child_task *task, const purpose *of, child_work *work, void *arg, error *err)
{
    int fd = memfd_create("bramble", MFD_CLOEXEC), status = 0;
    FILE *out = fd >= 0 ? fdopen(fd, "w+") : NULL;
    outcome *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = out && shared != MAP_FAILED ? fork() : -1;
    bool good = pid >= 0;
    if (pid == 0)
        run_child(task, work, arg, out, shared);
    if (!good)
        error_environment(err, "%s: no process can be started to %s it: %s", task->path,
                          of->present, strerror(errno));
    /* Where the user has SIGCHLD ignored there is no status, but this waits all the same. */
    while (good && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    good = good && judge(task, of, shared, status, err);
    if (shared != MAP_FAILED)
        (void)munmap(shared, sizeof *shared);
    if (good) {
        rewind(out);
        return out;
    }
    if (out)
        fclose(out);
    else if (fd >= 0)
        close(fd);
    return NULL;
}

FILE *child_run(const child_task *task, child_work *work, void *arg, error *err)
{
    return run(task, &reading, work, arg, err);
}

bool child_write(const child_task *task, child_work *work, void *arg, error *err)
{
    FILE *out = run(task, &writing, work, arg, err);
    if (out)
        fclose(out);
    return out != NULL;
}
