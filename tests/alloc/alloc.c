/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs every unit test with each allocation of the library failing in turn, and requires that the library does not crash: what a test
 * then asserts may well not hold, which ends its process, and is no fault. The library of this build calls the alloc_* functions below for
 * malloc and its like (objcopy --redefine-syms), and its code lies in a section of its own, so that a crash of a test, which need not look
 * at what it got, is told from one of the library. Tests' own allocations and those of other libraries do not fail.
 *
 * A test runs once to count its allocations, and once more as a process that forks at each of them: in the child it fails, and the child
 * goes on to the end of the test, which mostly comes soon, or through BEHIND_MAX allocations more; the parent waits, and goes on with what
 * it asked for. A child would not be what the process was where that has other threads, sub-processes, sockets, pipes or files to write to:
 * these allocations fail in runs of their own, from the start of the test, as do all of a test that does not pass when it forks (it shares
 * temporary files with the children).
 *
 *   ALLOC_TRIES=N    at most so many failing allocations for each test, spread over all of them; 0: all
 *   ALLOC_BEHIND=N   instead of BEHIND_MAX; 0: to the end of the test
 */

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_SECONDS 100
#define STACK_SIZE (64 << 10)
#define FRAMES 64
#define FAULTS_MAX 5
#define BEHIND_MAX 1000 /* allocations behind the one that failed, after which that has been got over */
#define FDS_MAX 64	 /* descriptors that are looked at */
#define FAULT_IN_TEST 90 /* exit status: a test used what it did not get */

extern const char __start_sdtext[], __stop_sdtext[], __executable_start[], etext[];

struct fault {
	unsigned long at; /* which allocation failed */
	int status;
	uintptr_t frame[FRAMES]; /* offsets in the program, of a crash in the library; ends with 0 */
};

/* Shared with the processes that a test runs in. */
struct shared {
	atomic_ulong count; /* allocations so far */
	bool failed, passed;
	uintptr_t frame[FRAMES]; /* of the process that crashed last */
	unsigned long forked, again, in_test;
	struct fault fault[FAULTS_MAX];
	int nfaults;
};
static struct shared *shared;

/* What the process does with an allocation. */
static enum { COUNT, FAIL_AT, FORK_AT, FAILED } mode;
static unsigned long fail_at;
static unsigned char *todo; /* shared: by the number of an allocation, from 1: shall it still fail? */
static unsigned long ntodo;
static atomic_ulong behind; /* allocations since one failed */
static unsigned long behind_max = BEHIND_MAX;

static bool is_fault(int status)
{
	return status < 0 || (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) || (WIFEXITED(status) && WEXITSTATUS(status) == 99);
}

/* Not alarm(), which is the test's. A child has it to set again. */
static void limit_time(void)
{
	static timer_t timer;
	static pid_t owner;
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGVTALRM };
	const struct itimerspec limit = { .it_value.tv_sec = LIMIT_SECONDS };

	if (owner != getpid() && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0)
		owner = getpid();
	if (owner == getpid())
		(void)timer_settime(timer, 0, &limit, NULL);
}

/* ---- an allocation fails in a child, which must not disturb its parent ---- */

/* A file that is only read: its place is the parent's, too, until it is opened again. */
static bool can_be_own(int fd)
{
	const int flags = fcntl(fd, F_GETFL);
	struct stat st;

	return flags < 0 || (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
			     ((flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY));
}

static bool make_own(int fd)
{
	const int flags = fcntl(fd, F_GETFL), of_fd = fcntl(fd, F_GETFD);
	const off_t at = flags < 0 || (flags & O_PATH) ? 0 : lseek(fd, 0, SEEK_CUR);
	char path[64];
	int own;

	if (flags < 0 || (flags & O_PATH))
		return true;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, (flags & ~(O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW)) | O_CLOEXEC);
	if (own < 0 || lseek(own, at, SEEK_SET) != at || dup3(own, fd, of_fd & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
		return false;
	return close(own) == 0;
}

static bool can_fork(void)
{
	siginfo_t info;
	struct stat tasks;

	/* Folders have two links more than folders in them. */
	if (stat("/proc/self/task", &tasks) < 0 || tasks.st_nlink != 3)
		return false;
	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD)
		return false;
	for (int fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++)
		if (!can_be_own(fd))
			return false;
	return true;
}

/* What the parent left to be done at its end is not done in a child. */
static void end_at_once(int status, void *arg)
{
	(void)arg;
	_exit(status);
}

static void be_child(void)
{
	limit_time();
	(void)on_exit(end_at_once, NULL);
	for (int fd = STDERR_FILENO + 1; fd < FDS_MAX; fd++)
		if (!make_own(fd))
			_exit(1);
}

static void keep_result(unsigned long at, int status)
{
	shared->in_test += WIFEXITED(status) && WEXITSTATUS(status) == FAULT_IN_TEST;
	if (!is_fault(status) || shared->nfaults == FAULTS_MAX)
		return;
	shared->fault[shared->nfaults].at = at;
	shared->fault[shared->nfaults].status = status;
	memcpy(shared->fault[shared->nfaults++].frame, shared->frame, sizeof(shared->frame));
}

static int wait_for(pid_t pid)
{
	int status = 0;

	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return pid > 0 ? status : -1;
}

/* True: this is the child, where it fails. */
static bool forks(unsigned long n)
{
	const int err = errno;
	pid_t pid;

	if (n > ntodo || !todo[n] || shared->nfaults == FAULTS_MAX || !can_fork()) {
		errno = err;
		return false;
	}
	memset(shared->frame, 0, sizeof(shared->frame));
	pid = fork();
	if (pid == 0) {
		be_child();
		return true;
	}
	if (pid > 0) {
		keep_result(n, wait_for(pid));
		todo[n] = 0;
		shared->forked++;
		limit_time();
	}
	errno = err;
	return false;
}

static bool fails(void)
{
	unsigned long n;

	if (mode == FAILED && atomic_fetch_add(&behind, 1) + 1 == behind_max)
		_exit(0);
	if (mode == FAILED)
		return false;
	n = atomic_fetch_add(&shared->count, 1) + 1;
	if (mode == FORK_AT ? !forks(n) : mode != FAIL_AT || n != fail_at)
		return false;
	mode = FAILED;
	shared->failed = true;
	errno = ENOMEM;
	return true;
}

void *alloc_malloc(size_t size);
void *alloc_calloc(size_t n, size_t size);
void *alloc_realloc(void *p, size_t size);
void *alloc_reallocarray(void *p, size_t n, size_t size);
char *alloc_strdup(const char *s);
char *alloc_strndup(const char *s, size_t n);
void *alloc_aligned_alloc(size_t alignment, size_t size);
int alloc_vasprintf(char **ret, const char *fmt, va_list args);
int alloc_vasprintf_chk(char **ret, int flag, const char *fmt, va_list args);

void *alloc_malloc(size_t size)
{
	return fails() ? NULL : malloc(size);
}

void *alloc_calloc(size_t n, size_t size)
{
	return fails() ? NULL : calloc(n, size);
}

void *alloc_realloc(void *p, size_t size)
{
	return fails() ? NULL : realloc(p, size);
}

void *alloc_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : reallocarray(p, n, size);
}

char *alloc_strdup(const char *s)
{
	return fails() ? NULL : strdup(s);
}

char *alloc_strndup(const char *s, size_t n)
{
	return fails() ? NULL : strndup(s, n);
}

int alloc_vasprintf(char **ret, const char *fmt, va_list args)
{
	return fails() ? -1 : vasprintf(ret, fmt, args);
}

/* What vasprintf is called where _FORTIFY_SOURCE is on. */
int alloc_vasprintf_chk(char **ret, int flag, const char *fmt, va_list args)
{
	(void)flag;
	return alloc_vasprintf(ret, fmt, args);
}

void *alloc_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : aligned_alloc(alignment, size);
}

/* ---- one run of one test, in a process of its own ---- */

/* The innermost frame of this program says whose fault it is. */
static void on_crash(int sig)
{
	void *frames[FRAMES];
	const int n = backtrace(frames, FRAMES);
	size_t kept = 0;

	for (int i = 1; i < n; i++) {
		const char *pc = frames[i];

		if (pc < __executable_start || pc >= etext)
			continue;
		if (kept == 0 && (pc < __start_sdtext || pc >= __stop_sdtext) && sig != SIGVTALRM)
			_exit(FAULT_IN_TEST);
		if (kept < FRAMES - 1)
			shared->frame[kept++] = (uintptr_t)(pc - __executable_start);
	}
	signal(sig, SIG_DFL);
	raise(sig);
	_exit(1);
}

static void catch_crashes(void)
{
	static char stack[STACK_SIZE];
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGVTALRM };
	const stack_t alternative = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction a = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER };
	void *warm[2];

	(void)backtrace(warm, 2); /* loads what it needs */
	(void)sigaltstack(&alternative, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		(void)sigaction(signals[i], &a, NULL);
	limit_time();
}

static void run_one(const struct CMUnitTest *t, CMFixtureFunction group_setup)
{
	void *state = t->initial_state;

	catch_crashes();
	if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(1);
	if (group_setup && group_setup(&state) != 0)
		_exit(1);
	if (t->setup_func && t->setup_func(&state) != 0)
		_exit(1);
	t->test_func(&state);
	if (t->teardown_func)
		(void)t->teardown_func(&state);
	if (mode != FAILED)
		shared->passed = true;
	_exit(0);
}

/* The status as waitpid gives it. */
static int try_test(const struct CMUnitTest *t, CMFixtureFunction group_setup)
{
	pid_t pid;

	atomic_store(&shared->count, 0);
	shared->failed = shared->passed = false;
	memset(shared->frame, 0, sizeof(shared->frame));
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run_one(t, group_setup);
	return wait_for(pid);
}

/* What processes that ended in the middle of a test have left behind came to this one. */
static void end_orphans(void)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	int pid;

	while (f && fscanf(f, "%d", &pid) == 1)
		(void)kill(pid, SIGKILL);
	if (f)
		(void)fclose(f);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

static void print_fault(const struct CMUnitTest *t, const struct fault *f, unsigned long n)
{
	printf("not ok %s: allocation %lu of %lu fails: %s", t->name, f->at, n, WIFSIGNALED(f->status) ? strsignal(WTERMSIG(f->status)) : "it ends badly");
	for (size_t i = 0; f->frame[i]; i++)
		printf(" 0x%lx", (unsigned long)f->frame[i]);
	printf("\n");
}

/* All of @n allocations, or some from the first to the last. */
static bool plan(unsigned long n, unsigned long tries)
{
	const unsigned long runs = tries && tries < n ? tries : n;

	ntodo = n;
	todo = mmap(NULL, n + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (todo == MAP_FAILED)
		return false;
	for (unsigned long i = 0; i < runs; i++)
		todo[runs == n ? i + 1 : 1 + (unsigned long)((double)i * (double)(n - 1) / (double)(runs > 1 ? runs - 1 : 1))] = 1;
	return true;
}

/* Each allocation that shall still fail in a run of its own. */
static void fail_again(const struct CMUnitTest *t, CMFixtureFunction group_setup)
{
	mode = FAIL_AT;
	for (fail_at = 1; fail_at <= ntodo && shared->nfaults < FAULTS_MAX; fail_at++) {
		if (!todo[fail_at])
			continue;
		keep_result(fail_at, try_test(t, group_setup));
		shared->again += shared->failed;
		end_orphans();
	}
}

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int fail_each(const struct CMUnitTest *t, CMFixtureFunction group_setup, unsigned long tries)
{
	const int64_t from = now_ms();
	unsigned long n;
	int status;

	memset(shared, 0, sizeof(*shared));
	mode = COUNT;
	status = try_test(t, group_setup);
	n = atomic_load(&shared->count);
	if (!WIFEXITED(status) || !shared->passed || !plan(n, tries)) {
		printf("# %s: does not pass by itself, or is skipped\n", t->name);
		return 0;
	}
	mode = FORK_AT;
	(void)try_test(t, group_setup);
	end_orphans();
	if (!shared->passed) {
		(void)munmap(todo, n + 1);
		shared->forked = 0;
		if (!plan(n, tries))
			return 1;
	}
	fail_again(t, group_setup);
	(void)munmap(todo, n + 1);
	for (int i = 0; i < shared->nfaults; i++)
		print_fault(t, &shared->fault[i], n);
	if (shared->nfaults == 0 && n > 0)
		printf("ok %s: %lu of %lu allocations failed (%lu in runs of their own), %lu times it ended in the test, %.1f s\n", t->name,
		       shared->forked + shared->again, n, shared->again, shared->in_test, (double)(now_ms() - from) / 1000);
	return shared->nfaults;
}

int __wrap__cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup, CMFixtureFunction teardown);

int __wrap__cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup, CMFixtureFunction teardown)
{
	const char *tries = getenv("ALLOC_TRIES"), *most = getenv("ALLOC_BEHIND");
	int faults = 0;

	(void)group;
	(void)teardown;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	if (most)
		behind_max = strtoul(most, NULL, 10);
	(void)close_range(STDERR_FILENO + 1, ~0U, 0); /* whatever it was started with */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (size_t i = 0; i < n; i++)
		if (tests[i].test_func)
			faults += fail_each(&tests[i], setup, tries ? strtoul(tries, NULL, 10) : 0);
	return faults > 0;
}
