/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exec credential plugins: client.authentication.k8s.io v1 and v1beta1, as client-go's plugin/pkg/client/auth/exec runs them. The program is
 * started without a shell, with this process's environment, that of the kubeconfig over it, and KUBERNETES_EXEC_INFO. It has the terminal
 * only where it may ask; what it prints is bounded, and so is its time. When it must end, its whole process group ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kubeconfig-private.h"

enum {
	OUTPUT_MAX = 1 << 20,
	ERRORS_MAX = 4096,
	LIMIT_MS = 60 * 1000,
	ASKING_LIMIT_MS = 300 * 1000, /* somebody types, or logs in with a browser */
	POLL_MS = 100,
	GRACE_MS = 500,
};

extern char **environ;

/* ---- what the plugin is told ---- */

static int put_new(json_t *o, const char *key, json_t *v)
{
	return json_object_set_new(o, key, v);
}

static int add_cluster(json_t *spec, const struct api_access *a)
{
	struct strbuf ca CLEANUP(strbuf_release) = STRBUF_INIT;
	json_t *c = json_object(), *config = a->exec->cluster_config ? json_loads(a->exec->cluster_config, JSON_DECODE_ANY, NULL) : json_null();
	int r = put_new(c, "server", json_string(a->server));

	if (a->tls_server_name)
		r |= put_new(c, "tls-server-name", json_string(a->tls_server_name));
	if (a->insecure)
		r |= put_new(c, "insecure-skip-tls-verify", json_true());
	if (a->ca.data) {
		base64_encode(&ca, a->ca.data, a->ca.size);
		r |= ca.failed ? -1 : put_new(c, "certificate-authority-data", json_string(strbuf_str(&ca)));
	}
	if (a->proxy_url)
		r |= put_new(c, "proxy-url", json_string(a->proxy_url));
	if (a->disable_compression)
		r |= put_new(c, "disable-compression", json_true());
	r |= put_new(c, "config", config);
	return r | put_new(spec, "cluster", c);
}

const char *exec_info(struct arena *arena, const struct api_access *access, bool interactive)
{
	json_t *o = json_object(), *spec = json_object();
	int r = put_new(o, "kind", json_string("ExecCredential")) | put_new(o, "apiVersion", json_string(access->exec->api_version));
	char *text;
	const char *kept;

	if (access->exec->provide_cluster_info)
		r |= add_cluster(spec, access);
	r |= put_new(spec, "interactive", json_boolean(interactive));
	r |= put_new(o, "spec", spec);
	text = r == 0 ? json_dumps(o, JSON_COMPACT) : NULL;
	kept = text ? arena_strdup(arena, text) : NULL;
	free(text);
	json_decref(o);
	return kept;
}

/* "NAME=VALUE" for @name replaces what is there. */
static char **put_env(struct arena *arena, char **env, size_t *len, const char *name, const char *value)
{
	char *text = arena_printf(arena, "%s=%s", name, value);
	size_t n = strlen(name), kept = 0;

	for (size_t i = 0; i < *len; i++) {
		if (strncmp(env[i], name, n) != 0 || env[i][n] != '=')
			env[kept++] = env[i];
	}
	env[kept] = text;
	env[kept + 1] = NULL;
	*len = kept + 1;
	return text ? env : NULL;
}

static char **make_env(struct arena *arena, const struct api_access *a, bool interactive)
{
	const struct api_exec *x = a->exec;
	const char *info = exec_info(arena, a, interactive);
	size_t n = 0;
	char **env;

	while (environ && environ[n])
		n++;
	env = arena_array(arena, char *, n + x->nenv + 2);
	if (env && n > 0)
		memcpy(env, environ, n * sizeof(*env));
	for (size_t i = 0; env && i < x->nenv; i++)
		env = put_env(arena, env, &n, x->env[i].name, x->env[i].value);
	return env && info ? put_env(arena, env, &n, "KUBERNETES_EXEC_INFO", info) : NULL;
}

static char **make_args(struct arena *arena, const struct api_exec *x)
{
	char **args = arena_array(arena, char *, x->nargs + 2);

	for (size_t i = 0; args && i < x->nargs; i++)
		args[i + 1] = (char *)(uintptr_t)x->args[i]; /* execve does not write into them */
	if (args)
		args[0] = (char *)(uintptr_t)x->command;
	return args;
}

/* Where the program is: a name with a slash as it stands, else in PATH, of which only absolute folders count. NULL: nowhere, or no memory. */
static const char *find_program(struct arena *arena, const struct api_exec *x)
{
	const char *path = getenv("PATH");

	if (strchr(x->command, '/'))
		return path_join(arena, x->folder ? x->folder : "/", x->command);
	while (path && *path) {
		size_t n = strcspn(path, ":");
		const char *file = *path == '/' ? arena_printf(arena, "%.*s/%s", (int)n, path, x->command) : NULL;
		struct stat st;

		if (file && stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, X_OK) == 0)
			return file;
		path += n + (path[n] == ':');
	}
	return NULL;
}

/* ---- running ---- */

struct child {
	pid_t pid;
	int out, err; /* ends of pipes to read from; -1: none, or at their end */
	bool group;   /* it leads a process group of its own */
	bool gone;
	int status;
	struct strbuf text, errors;
};

static int64_t now_ms(void)
{
	struct timespec t;

	return clock_gettime(CLOCK_BOOTTIME, &t) == 0 ? (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 : 0;
}

static int set_actions(posix_spawn_file_actions_t *f, const int out[2], const int err[2], bool interactive)
{
	int r = posix_spawn_file_actions_adddup2(f, out[1], STDOUT_FILENO);

	if (r == 0 && err[1] >= 0)
		r = posix_spawn_file_actions_adddup2(f, err[1], STDERR_FILENO);
	if (r == 0 && !interactive)
		r = posix_spawn_file_actions_addopen(f, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 34)
	if (r == 0) /* ours are close-on-exec; a library's may not be */
		r = posix_spawn_file_actions_addclosefrom_np(f, STDERR_FILENO + 1);
#endif
#endif
	return r;
}

/* Signals as a program expects them, and a group that can be ended as a whole; but only our own group may read from the terminal. */
static int set_attributes(posix_spawnattr_t *a, bool group)
{
	sigset_t none, all;
	short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;

	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	(void)sigdelset(&all, SIGKILL);
	(void)sigdelset(&all, SIGSTOP);
	if (group)
		flags |= POSIX_SPAWN_SETPGROUP;
	return posix_spawnattr_setsigmask(a, &none) | posix_spawnattr_setsigdefault(a, &all) | posix_spawnattr_setpgroup(a, 0) |
	       posix_spawnattr_setflags(a, flags);
}

/* 0, or -errno of what failed. */
static int start(struct arena *arena, const char *program, const struct api_access *a, bool interactive, struct child *c)
{
	char **args = make_args(arena, a->exec), **env = make_env(arena, a, interactive);
	int out[2] = { -1, -1 }, err[2] = { -1, -1 }, r;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;

	if (!args || !env)
		return -ENOMEM;
	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	if (!isatty(STDERR_FILENO) && pipe2(err, O_CLOEXEC) < 0) {
		r = -errno;
		fd_close(&out[0]);
		fd_close(&out[1]);
		return r;
	}
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	c->group = !interactive;
	r = set_actions(&actions, out, err, interactive);
	if (r == 0)
		r = set_attributes(&attributes, c->group);
	if (r == 0)
		r = posix_spawn(&c->pid, program, &actions, &attributes, args, env);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
	fd_close(&out[1]);
	fd_close(&err[1]);
	c->out = out[0];
	c->err = err[0];
	return -r;
}

static void look_whether_gone(struct child *c)
{
	pid_t r;

	if (c->gone)
		return;
	do {
		r = waitpid(c->pid, &c->status, WNOHANG);
	} while (r < 0 && errno == EINTR);
	c->gone = r != 0;
}

static void pause_ms(int ms)
{
	(void)poll(NULL, 0, ms);
}

static void end_child(struct child *c)
{
	static const int signals[] = { SIGTERM, SIGKILL };
	pid_t whom = c->group ? -c->pid : c->pid;

	if (c->pid <= 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(signals) && !c->gone; i++) {
		(void)kill(whom, signals[i]);
		for (int left = GRACE_MS; left > 0 && !c->gone; left -= 5) {
			look_whether_gone(c);
			if (!c->gone)
				pause_ms(5);
		}
	}
	if (c->group)
		(void)kill(whom, SIGKILL); /* what it has left behind */
	if (!c->gone)
		(void)waitpid(c->pid, &c->status, 0);
	c->gone = true;
}

static void child_release(struct child *c)
{
	if (c->pid > 0 && !c->gone)
		end_child(c);
	fd_close(&c->out);
	fd_close(&c->err);
	if (c->text.s)
		explicit_bzero(c->text.s, c->text.len);
	strbuf_release(&c->text);
	strbuf_release(&c->errors);
}

/* Reads what is there; at the end the descriptor is closed. More than @max is not kept: 0, SD_ELIMIT, -ENOMEM. */
static int drain(int *fd, struct strbuf *into, size_t max)
{
	char part[4096];
	ssize_t n = read(*fd, part, sizeof(part));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n <= 0) {
		fd_close(fd);
		return 0;
	}
	if (into->len + (size_t)n > max)
		return SD_ELIMIT;
	strbuf_add(into, part, (size_t)n);
	return into->failed ? -ENOMEM : 0;
}

/* Waits until something is to be read. 0, SD_ELIMIT, -ENOMEM. */
static int listen_to(struct child *c)
{
	struct pollfd p[2] = { { c->out, POLLIN, 0 }, { c->err, POLLIN, 0 } };
	bool open = c->out >= 0 || c->err >= 0;
	int r = 0;

	if (poll(p, 2, open ? c->gone ? 5 : POLL_MS : 5) <= 0)
		return 0;
	if (p[0].revents)
		r = drain(&c->out, &c->text, OUTPUT_MAX);
	if (p[1].revents && drain(&c->err, &c->errors, ERRORS_MAX) < 0)
		strbuf_reset(&c->errors); /* its last words are what counts */
	return r;
}

/* Until it is gone and has said all, or must end. 0; -ETIMEDOUT, SD_ELIMIT, -EINTR, -ENOMEM. */
static int follow(struct child *c, const volatile sig_atomic_t *stop, int64_t limit_ms)
{
	int64_t end = now_ms() + limit_ms, gone_at = 0;
	int r = 0;

	while (r == 0 && !(c->gone && c->out < 0 && c->err < 0)) {
		r = listen_to(c);
		look_whether_gone(c);
		if (c->gone && gone_at == 0)
			gone_at = now_ms();
		if (c->gone && now_ms() - gone_at > GRACE_MS)
			break; /* somebody else holds the pipe */
		if (r == 0 && stop && *stop)
			r = -EINTR;
		if (r == 0 && now_ms() > end)
			r = -ETIMEDOUT;
	}
	if (r < 0)
		end_child(c);
	return r;
}

/* ---- words ---- */

static void add_name(struct strbuf *b, const struct api_exec *x)
{
	strbuf_adds(b, "exec plugin '");
	strbuf_add_clean(b, x->command);
	strbuf_addc(b, '\'');
}

/* The last line that is not empty. */
static void add_last_words(struct strbuf *b, const struct strbuf *errors)
{
	struct strbuf line CLEANUP(strbuf_release) = STRBUF_INIT;
	const char *s = strbuf_str(errors);
	size_t end = strlen(s), start;

	while (end > 0 && strchr(" \t\r\n", s[end - 1]))
		end--;
	for (start = end; start > 0 && s[start - 1] != '\n';)
		start--;
	if (end == start)
		return;
	strbuf_add(&line, s + start, MIN(end - start, 400u));
	strbuf_adds(b, ": ");
	strbuf_add_clean(b, strbuf_str(&line));
}

static int cannot_start(struct arena *arena, const struct api_exec *x, int err, struct strbuf *why, const char **ret_hint)
{
	if (err == -ENOMEM)
		return err;
	add_name(why, x);
	if (err == -ENOENT || err == -ENOTDIR) {
		strbuf_adds(why, strchr(x->command, '/') ? " is not there" : " is not in PATH");
		*ret_hint = x->install_hint ? arena_clean(arena, x->install_hint) : NULL;
	} else {
		strbuf_addf(why, " cannot be run: %s", sd_strerror(err));
	}
	return SD_EUSAGE;
}

static int judge_end(const struct api_exec *x, const struct child *c, int err, int64_t limit_ms, struct strbuf *why)
{
	if (err == -EINTR)
		return err;
	add_name(why, x);
	if (err == -ETIMEDOUT)
		strbuf_addf(why, " has not answered for %d s", (int)(limit_ms / 1000));
	else if (err == SD_ELIMIT)
		strbuf_addf(why, " prints more than %d KiB", OUTPUT_MAX >> 10);
	else if (WIFSIGNALED(c->status))
		strbuf_addf(why, " was ended by signal %d", WTERMSIG(c->status));
	else
		strbuf_addf(why, " failed with exit code %d", WEXITSTATUS(c->status));
	add_last_words(why, &c->errors);
	return SD_EUSAGE;
}

int exec_ask(struct arena *arena, const struct api_access *access, bool may_ask, const volatile sig_atomic_t *stop, struct exec_answer *ret,
	     struct strbuf *why, const char **ret_hint)
{
	struct child c CLEANUP(child_release) = { .out = -1, .err = -1 };
	const struct api_exec *x = access->exec;
	bool interactive = x->interactive == EXEC_ALWAYS || (x->interactive == EXEC_IF_AVAILABLE && may_ask);
	int64_t limit_ms = interactive ? ASKING_LIMIT_MS : LIMIT_MS;
	const char *program = find_program(arena, x);
	int r;

	if (x->interactive == EXEC_ALWAYS && !may_ask) {
		add_name(why, x);
		strbuf_adds(why, " wants to ask (interactiveMode: Always), and standard input is no terminal");
		return SD_EUSAGE;
	}
	r = program ? start(arena, program, access, interactive, &c) : -ENOENT;
	if (r < 0)
		return cannot_start(arena, x, r, why, ret_hint);
	r = follow(&c, stop, limit_ms);
	if (c.text.failed)
		return -ENOMEM;
	if (r < 0 || WIFSIGNALED(c.status) || WEXITSTATUS(c.status) != 0)
		return judge_end(x, &c, r, limit_ms, why);
	return exec_read_answer(arena, x, strbuf_str(&c.text), c.text.len, ret, why);
}
