/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs every unit test again and again, each time with another allocation of the library failing, and requires that the library does not
 * crash: what a test then asserts may well not hold, which ends its process, and is no fault. The library of this build calls the alloc_*
 * functions below for malloc and its like (objcopy --redefine-syms), and its code lies in a section of its own, so that a crash of a test,
 * which need not look at what it got, is told from one of the library. Tests' own allocations and those of other libraries do not fail.
 *
 *   ALLOC_TRIES=N   at most so many failing allocations for each test, spread over all of them; 0: all
 */

#include <errno.h>
#include <execinfo.h>
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT_SECONDS 100
#define STACK_SIZE (64 << 10)
#define FRAMES 64
#define FAULT_IN_TEST 90 /* exit status: a test used what it did not get */

extern const char __start_sdtext[], __stop_sdtext[], __executable_start[], etext[];

/* Shared with the process that a test runs in. */
struct shared {
	atomic_ulong count; /* allocations so far */
	unsigned long fail_at;
	bool failed, passed;
	uintptr_t fault[FRAMES]; /* offsets in the program, of a crash in the library; ends with 0 */
};
static struct shared *shared;

static bool fails(void)
{
	const unsigned long n = atomic_fetch_add(&shared->count, 1) + 1;

	if (n != shared->fail_at)
		return false;
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
		if (kept == 0 && (pc < __start_sdtext || pc >= __stop_sdtext) && sig != SIGALRM)
			_exit(FAULT_IN_TEST);
		if (kept < FRAMES - 1)
			shared->fault[kept++] = (uintptr_t)(pc - __executable_start);
	}
	signal(sig, SIG_DFL);
	raise(sig);
	_exit(1);
}

static void catch_crashes(void)
{
	static char stack[STACK_SIZE];
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM };
	const stack_t alternative = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction a = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_RESETHAND | SA_NODEFER };
	void *warm[2];

	(void)backtrace(warm, 2); /* loads what it needs */
	(void)sigaltstack(&alternative, NULL);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		(void)sigaction(signals[i], &a, NULL);
	alarm(LIMIT_SECONDS);
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
	shared->passed = true;
	_exit(0);
}

/* The status as waitpid gives it. */
static int try_test(const struct CMUnitTest *t, CMFixtureFunction group_setup, unsigned long fail_at)
{
	int status = 0;
	pid_t pid;

	atomic_store(&shared->count, 0);
	shared->fail_at = fail_at;
	shared->failed = shared->passed = false;
	memset(shared->fault, 0, sizeof(shared->fault));
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		run_one(t, group_setup);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 ? status : -1;
}

static bool is_fault(int status)
{
	return status < 0 || (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) || (WIFEXITED(status) && WEXITSTATUS(status) == 99);
}

static void print_fault(const struct CMUnitTest *t, unsigned long k, unsigned long n, int status)
{
	printf("not ok %s: allocation %lu of %lu fails: %s", t->name, k, n, WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "it ends badly");
	for (size_t i = 0; shared->fault[i]; i++)
		printf(" 0x%lx", (unsigned long)shared->fault[i]);
	printf("\n");
}

/* All allocations of a test, or some from the first to the last. */
static int fail_each(const struct CMUnitTest *t, CMFixtureFunction group_setup, unsigned long tries)
{
	const int status = try_test(t, group_setup, 0);
	const unsigned long n = atomic_load(&shared->count);
	const unsigned long runs = tries && tries < n ? tries : n;
	unsigned long held = 0, in_test = 0;
	int faults = 0;

	if (!WIFEXITED(status) || !shared->passed) {
		printf("# %s: does not pass by itself, or is skipped\n", t->name);
		return 0;
	}
	for (unsigned long i = 0; i < runs && faults < 5; i++) {
		const unsigned long k = runs == n ? i + 1 : 1 + (unsigned long)((double)i * (double)(n - 1) / (double)(runs > 1 ? runs - 1 : 1));
		const int s = try_test(t, group_setup, k);

		held += shared->failed;
		in_test += WIFEXITED(s) && WEXITSTATUS(s) == FAULT_IN_TEST;
		if (is_fault(s)) {
			print_fault(t, k, n, s);
			faults++;
		}
	}
	if (faults == 0 && n > 0)
		printf("ok %s: %lu of %lu allocations failed, %lu runs ended in the test\n", t->name, held, n, in_test);
	return faults;
}

int __wrap__cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup, CMFixtureFunction teardown);

int __wrap__cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup, CMFixtureFunction teardown)
{
	const char *tries = getenv("ALLOC_TRIES");
	int faults = 0;

	(void)group;
	(void)teardown;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < n; i++)
		if (tests[i].test_func)
			faults += fail_each(&tests[i], setup, tries ? strtoul(tries, NULL, 10) : 0);
	return faults > 0;
}
