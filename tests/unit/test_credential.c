/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Credentials over a run: token files that change, and exec plugins, which are small scripts here. */

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <svcdoctor/api.h>

#include <cmocka.h>

#include "lib/api/api-private.h"
#include "lib/api/kubeconfig-private.h"

#define V1 "client.authentication.k8s.io/v1"
#define CREDENTIAL(status) "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{" status "}}"
#define PRINT(status) "echo '" CREDENTIAL(status) "'\n"

struct world {
	char folder[64];
	struct arena arena;
	struct api_exec exec;
	struct api_access access;
	struct api_login *login;
	struct strbuf got; /* of the last question */
};

static const char *path(struct world *w, const char *name)
{
	return arena_printf(&w->arena, "%s/%s", w->folder, name);
}

static void put(struct world *w, const char *name, const char *text)
{
	FILE *f = fopen(path(w, name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path(w, name), 0700), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	(void)snprintf(w->folder, sizeof(w->folder), "/tmp/svcdoctor-unit-XXXXXX");
	if (!mkdtemp(w->folder))
		return -1;
	w->exec = (struct api_exec){ .command = path(w, "plug in"), .api_version = V1, .interactive = EXEC_NEVER, .folder = w->folder };
	assert_non_null(w->exec.command);
	w->access = (struct api_access){ .server = "https://s", .exec = &w->exec };
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "plug in", "calls", "pid", "pid.new", "token" };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)remove(path(w, names[i]));
	(void)rmdir(w->folder);
	api_login_free(w->login);
	arena_release(&w->arena);
	strbuf_release(&w->got);
	free(w);
	return 0;
}

static void forget(struct world *w)
{
	api_login_free(w->login);
	w->login = NULL;
}

/* "token generation" or "why -> hint", the temporary folder as "@". */
static void expect(struct world *w, bool fresh, int code, const char *want)
{
	const char *text = NULL, *hint = NULL, *hit, *s;
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;
	struct api_credential c;
	int r = 0;

	if (!w->login)
		r = api_login_new(&w->access, false, NULL, &w->login);
	assert_int_equal(r, 0);
	r = api_login_get(w->login, fresh, &c, &text, &hint);
	if (r == 0)
		strbuf_addf(&b, "%s %u", c.token ? c.token : c.cert.from ? c.cert.from : "-", c.generation);
	else
		strbuf_addf(&b, "%s%s%s", text ? text : "", hint ? " -> " : "", hint ? hint : "");
	strbuf_reset(&w->got);
	for (s = strbuf_str(&b); (hit = strstr(s, w->folder)); s = hit + strlen(w->folder)) {
		strbuf_add(&w->got, s, (size_t)(hit - s));
		strbuf_addc(&w->got, '@');
	}
	strbuf_adds(&w->got, s);
	assert_string_equal(strbuf_str(&w->got), want);
	assert_int_equal(r, code);
}

static void script(struct world *w, const char *text)
{
	put(w, "plug in", arena_printf(&w->arena, "#!/bin/sh\n%s", text));
	forget(w);
}

static void test_token_file(void **state)
{
	struct world *w = *state;

	w->access = (struct api_access){ .server = "https://s", .token_file = path(w, "token") };
	expect(w, false, SD_EUSAGE, "cannot read the token file '@/token': No such file or directory");
	put(w, "token", "\n one \n");
	expect(w, false, 0, "one 1");
	put(w, "token", "two");
	expect(w, false, 0, "one 1");
	expect(w, true, 0, "two 2");
	expect(w, true, 0, "two 2");
	put(w, "token", "");
	expect(w, true, 0, "two 2");
	forget(w);
	expect(w, false, SD_EUSAGE, "the token file '@/token' is empty");
	put(w, "token", "a\nb");
	expect(w, false, SD_EUSAGE, "the token file '@/token' holds more than a token");
	w->access.token = "own";
	expect(w, false, 0, "own 1");
	w->access.token_file = NULL;
	forget(w);
	expect(w, false, 0, "own 1");
	expect(w, true, 0, "own 1");
}

static void test_plugin(void **state)
{
	static const char *const args[] = { "$(id)", "a b" };
	static const struct api_exec_env env[] = { { "SVCDOCTOR_TEST", "first" }, { "SVCDOCTOR_TEST", "x y" } };
	struct world *w = *state;

	w->exec.args = args;
	w->exec.nargs = ARRAY_LEN(args);
	w->exec.env = env;
	w->exec.nenv = ARRAY_LEN(env);
	script(w, "i=$(printf %s \"$KUBERNETES_EXEC_INFO\" | tr -d '\"')\n"
		  "printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{\"token\":\"%s|%s|%s|%s\"}}' \"$1\" \"$2\" \"$SVCDOCTOR_TEST\" \"$i\"\n");
	expect(w, false, 0, "$(id)|a b|x y|{kind:ExecCredential,apiVersion:" V1 ",spec:{interactive:false}} 1");
	script(w, "cat <<E\nkind: ExecCredential\napiVersion: " V1 "\nstatus: {token: t}\nE\n");
	expect(w, false, 0, "t 1");
	script(w, PRINT("\"clientCertificateData\":\"-----BEGIN CERTIFICATE-----\",\"clientKeyData\":\"-----BEGIN RSA PRIVATE KEY-----\""));
	expect(w, false, 0, "the exec plugin 1");
	/* It has no terminal to read from, and none of our descriptors. */
	script(w, "read x && exit 1\nn=$(ls /proc/self/fd | wc -l)\n[ $n -le 5 ] || { ls -l /proc/self/fd >&2; exit 1; }\n" PRINT("\"token\":\"t\""));
	expect(w, false, 0, "t 1");
}

static void test_failures(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "echo first >&2; echo 'log in first' >&2; exit 3\n", "exec plugin '@/plug in' failed with exit code 3: log in first" },
		{ "exit 1\n", "exec plugin '@/plug in' failed with exit code 1" },
		{ "kill -9 $$\n", "exec plugin '@/plug in' was ended by signal 9" },
		{ "echo hello\n", "exec plugin '@/plug in' printed no ExecCredential" },
		{ "", "exec plugin '@/plug in' printed no ExecCredential" },
		{ "echo '{\"kind\":\"Secret\",\"apiVersion\":\"" V1 "\"}'\n", "exec plugin '@/plug in' printed no ExecCredential" },
		{ "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "beta1\",\"status\":{\"token\":\"t\"}}'\n",
		  "exec plugin '@/plug in' answered with another apiVersion than the kubeconfig's: '" V1 "beta1'" },
		{ "echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\"}'\n", "exec plugin '@/plug in' gave no status" },
		{ PRINT(""), "exec plugin '@/plug in' gave neither a token nor a certificate with its key" },
		{ PRINT("\"token\":5"), "exec plugin '@/plug in' gave a status that cannot be read" },
		{ PRINT("\"token\":\"t\",\"expirationTimestamp\":\"soon\""), "exec plugin '@/plug in' gave a status that cannot be read" },
		{ PRINT("\"token\":\"a\\u000ab\""), "exec plugin '@/plug in' gave a token with a line end or a control character" },
		{ PRINT("\"token\":\"t\",\"clientKeyData\":\"k\""), "exec plugin '@/plug in' gave only one of certificate and key" },
		{ PRINT("\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\""), "exec plugin '@/plug in' gave a certificate or key that is no PEM" },
		{ "yes\n", "exec plugin '@/plug in' prints more than 1024 KiB" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		script(w, rows[i].text);
		expect(w, false, SD_EUSAGE, rows[i].want);
	}
	w->exec.interactive = EXEC_ALWAYS;
	forget(w);
	expect(w, false, SD_EUSAGE, "exec plugin '@/plug in' wants to ask (interactiveMode: Always), and standard input is no terminal");
	w->exec.interactive = EXEC_NEVER;
	assert_int_equal(chmod(path(w, "plug in"), 0600), 0);
	forget(w);
	expect(w, false, SD_EUSAGE, "exec plugin '@/plug in' cannot be run: Permission denied");
	w->exec.command = "./no\033thing";
	w->exec.install_hint = "apt install\033 it";
	forget(w);
	expect(w, false, SD_EUSAGE, "exec plugin './no?thing' is not there -> apt install? it");
	w->exec.command = "svcdoctor-test-no-such-program";
	forget(w);
	expect(w, false, SD_EUSAGE, "exec plugin 'svcdoctor-test-no-such-program' is not in PATH -> apt install? it");
	expect(w, false, SD_EUSAGE, "exec plugin 'svcdoctor-test-no-such-program' is not in PATH -> apt install? it");
}

/* A script that counts how often it was asked. */
static void counting(struct world *w, const char *rest)
{
	(void)remove(path(w, "calls"));
	script(w, arena_printf(&w->arena,
			       "echo x >>'%s/calls'\nn=$(wc -l <'%s/calls')\n"
			       "echo \"{\\\"kind\\\":\\\"ExecCredential\\\",\\\"apiVersion\\\":\\\"" V1 "\\\",\\\"status\\\":{\\\"token\\\":\\\"$n\\\"%s}}\"\n",
			       w->folder, w->folder, rest));
}

static void test_expiry(void **state)
{
	struct world *w = *state;

	counting(w, "");
	expect(w, false, 0, "1 1");
	expect(w, false, 0, "1 1");
	expect(w, true, 0, "2 2");
	expect(w, false, 0, "2 2");
	counting(w, ",\\\"expirationTimestamp\\\":\\\"2999-01-01T00:00:00+01:00\\\"");
	expect(w, false, 0, "1 1");
	expect(w, false, 0, "1 1");
	/* What has expired when it comes is used, and not asked for again at once. */
	counting(w, ",\\\"expirationTimestamp\\\":\\\"2001-01-01T00:00:00.5Z\\\"");
	expect(w, false, 0, "1 1");
	expect(w, false, 0, "1 1");
}

static volatile sig_atomic_t stopped;
static const char *volatile pid_file;

/* Once the plugin has started something. */
static void on_alarm(int sig)
{
	(void)sig;
	if (access(pid_file, F_OK) == 0)
		stopped = 1;
}

/* Its state in /proc, or 0 when it is gone. */
static char state_of(long pid)
{
	char name[64], line[256], state = 0;
	FILE *f;

	(void)snprintf(name, sizeof(name), "/proc/%ld/stat", pid);
	f = fopen(name, "r");
	if (f && fgets(line, sizeof(line), f) && strrchr(line, ')'))
		state = strrchr(line, ')')[2];
	if (f)
		(void)fclose(f);
	return state;
}

/* The run stops: so does the plugin, with what it has started. */
static void test_stop(void **state)
{
	struct world *w = *state;
	struct sigaction act = { .sa_handler = on_alarm }, before;
	struct itimerval timer = { .it_interval.tv_usec = 20000, .it_value.tv_usec = 20000 }, off = { 0 };
	const char *text = NULL, *hint = NULL;
	struct api_credential c;
	long pid = 0;

	script(w, arena_printf(&w->arena, "sleep 1000 &\necho $! >'%s/pid.new'\nmv '%s/pid.new' '%s/pid'\nwait\n", w->folder, w->folder, w->folder));
	stopped = 0;
	pid_file = path(w, "pid");
	assert_int_equal(api_login_new(&w->access, false, &stopped, &w->login), 0);
	assert_int_equal(sigaction(SIGALRM, &act, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
	assert_int_equal(api_login_get(w->login, false, &c, &text, &hint), -EINTR);
	assert_int_equal(setitimer(ITIMER_REAL, &off, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	FILE *f = fopen(path(w, "pid"), "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld", &pid), 1);
	(void)fclose(f);
	for (int i = 0; i < 500 && state_of(pid) && state_of(pid) != 'Z'; i++)
		(void)usleep(10000);
	assert_true(!state_of(pid) || state_of(pid) == 'Z');
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_token_file), TEST(test_plugin), TEST(test_failures), TEST(test_expiry), TEST(test_stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
