/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who we are, over the time of a run. A token file is read again when what it gave is 50 s old (client-go: a minute less ten seconds) or was
 * refused; an exec plugin is asked again when its credential has expired or was refused. Nothing is kept on disk.
 */
#include <errno.h>
#include <time.h>

#include "api-private.h"
#include "kubeconfig-private.h"

enum { TOKEN_MAX = 1 << 20, TOKEN_AGE_S = 50, PLUGIN_PAUSE_S = 10 };

struct api_login {
	const struct api_access *access;
	const volatile sig_atomic_t *stop;
	bool may_ask;
	struct arena arena;	   /* of @now */
	struct exec_answer now;	   /* of the token file or the plugin */
	int64_t read_at;	   /* monotonic seconds; of @now */
	unsigned generation;	   /* 0: nothing was given yet */
	int64_t failed_at;	   /* monotonic seconds; 0: the plugin has not failed */
	struct strbuf why;
	struct arena hint_arena;
	const char *hint, *failed_hint;
};

int api_login_new(const struct api_access *access, bool may_ask, const volatile sig_atomic_t *stop, struct api_login **ret)
{
	struct api_login *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->access = access;
	l->may_ask = may_ask;
	l->stop = stop;
	*ret = l;
	return 0;
}

/* Secrets do not stay in freed memory. */
static void forget(struct exec_answer *a)
{
	const char *const secrets[] = { a->token, a->key.data };

	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		if (secrets[i])
			explicit_bzero((void *)(uintptr_t)secrets[i], strlen(secrets[i]));
	}
	*a = (struct exec_answer){ 0 };
}

void api_login_free(struct api_login *l)
{
	if (!l)
		return;
	forget(&l->now);
	arena_release(&l->arena);
	arena_release(&l->hint_arena);
	strbuf_release(&l->why);
	free(l);
}

static int64_t seconds_of(clockid_t clock)
{
	struct timespec t;

	return clock_gettime(clock, &t) == 0 ? (int64_t)t.tv_sec : 0;
}

bool header_ok(const char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return false;
	}
	return true;
}

/* Takes @arena, in which @a lies. */
static void adopt(struct api_login *l, struct arena *arena, const struct exec_answer *a)
{
	bool same = l->generation > 0 && str_same(a->token, l->now.token) && str_same(a->cert.data, l->now.cert.data) &&
		    str_same(a->key.data, l->now.key.data);

	forget(&l->now);
	arena_release(&l->arena);
	l->arena = *arena;
	*arena = (struct arena){ 0 };
	l->now = *a;
	l->read_at = seconds_of(CLOCK_BOOTTIME);
	l->generation += !same;
}

/* ---- token files ---- */

static int read_token(struct api_login *l, struct arena *arena, struct exec_answer *a)
{
	static const char blank[] = " \t\r\n\v\f";
	const char *path = l->access->token_file;
	struct kc_data text;
	int r = kubeconfig_read(arena, path, TOKEN_MAX, &text);
	size_t start, len;

	if (r == -ENOMEM)
		return r;
	strbuf_reset(&l->why);
	if (r < 0) {
		strbuf_adds(&l->why, "cannot read the token file '");
		strbuf_add_clean(&l->why, path);
		strbuf_addf(&l->why, "': %s", sd_strerror(r));
		return SD_EUSAGE;
	}
	start = strspn(text.v, blank);
	len = strlen(text.v + start);
	while (len > 0 && strchr(blank, text.v[start + len - 1]))
		len--;
	a->token = arena_strndup(arena, text.v + start, len);
	if (!a->token)
		return -ENOMEM;
	if (len > 0 && header_ok(a->token))
		return 0;
	strbuf_adds(&l->why, "the token file '");
	strbuf_add_clean(&l->why, path);
	strbuf_adds(&l->why, len > 0 ? "' holds more than a token" : "' is empty");
	return SD_EUSAGE;
}

/* Where it cannot be read any more, the token that was read before goes on, or the kubeconfig's own one. */
static int refresh_token(struct api_login *l, bool fresh)
{
	struct arena arena CLEANUP(arena_release) = { 0 };
	struct exec_answer a = { .expires = INT64_MAX };
	int r;

	if (l->now.token && !fresh && seconds_of(CLOCK_BOOTTIME) - l->read_at < TOKEN_AGE_S)
		return 0;
	r = read_token(l, &arena, &a);
	if (r == SD_EUSAGE && l->now.token)
		return 0;
	if (r == SD_EUSAGE && l->access->token) {
		a.token = arena_strdup(&arena, l->access->token);
		r = a.token ? 0 : -ENOMEM;
	}
	if (r == 0)
		adopt(l, &arena, &a);
	return r;
}

/* ---- plugins ---- */

/* A plugin that gives what has expired already is not asked again for every request. */
static bool still_good(const struct api_login *l)
{
	return l->generation > 0 && (seconds_of(CLOCK_REALTIME) < l->now.expires || seconds_of(CLOCK_BOOTTIME) - l->read_at < PLUGIN_PAUSE_S);
}

static int ask_plugin(struct api_login *l, bool fresh)
{
	struct arena arena CLEANUP(arena_release) = { 0 };
	struct exec_answer a = { 0 };
	int r;

	if (!fresh && still_good(l))
		return 0;
	if (!fresh && l->failed_at > 0 && seconds_of(CLOCK_BOOTTIME) - l->failed_at < PLUGIN_PAUSE_S) {
		l->hint = l->failed_hint;
		return SD_EUSAGE; /* for the same reason */
	}
	l->failed_at = 0;
	l->failed_hint = NULL;
	strbuf_reset(&l->why);
	arena_release(&l->hint_arena);
	r = exec_ask(&arena, l->access, l->may_ask, l->stop, &a, &l->why, &l->hint);
	if (r == SD_EUSAGE) {
		arena_join(&l->hint_arena, &arena);
		l->failed_hint = l->hint;
		l->failed_at = seconds_of(CLOCK_BOOTTIME);
	}
	if (r == 0)
		adopt(l, &arena, &a);
	return r;
}

int api_login_get(struct api_login *l, bool fresh, struct api_credential *ret, const char **ret_text, const char **ret_hint)
{
	const struct api_access *a = l->access;
	int r = 0;

	if (l->stop && *l->stop)
		return -EINTR;
	l->hint = NULL;
	if (a->exec)
		r = ask_plugin(l, fresh);
	else if (a->token_file)
		r = refresh_token(l, fresh);
	else
		l->generation = 1;
	if (r == SD_EUSAGE) {
		if (l->why.failed)
			return -ENOMEM;
		*ret_text = strbuf_str(&l->why);
		*ret_hint = l->hint;
	}
	if (r < 0)
		return r;
	*ret = (struct api_credential){
		.token = l->now.token ? l->now.token : a->token, .username = a->username, .password = a->password,
		.cert = l->now.cert.data ? l->now.cert : a->cert, .key = l->now.key.data ? l->now.key : a->key,
		.generation = l->generation,
	};
	return 0;
}
