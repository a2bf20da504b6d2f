/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an exec plugin prints: an ExecCredential of the very apiVersion that the kubeconfig names, as JSON (or YAML, which client-go takes, too),
 * with a token or a certificate and its key, and maybe a time at which they expire.
 */
#include <errno.h>
#include <jansson.h>
#include <time.h>

#include "kubeconfig-private.h"

static const struct yaml_limits limits = { .size = 1u << 20, .nodes = 10000, .depth = 32 };

static int refuse(const struct api_exec *x, struct strbuf *why, const char *fmt, const char *name)
{
	struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT;

	strbuf_addf(&text, "exec plugin '%s' ", x->command);
	strbuf_addf(&text, fmt, name);
	strbuf_add_clean(why, strbuf_str(&text));
	return SD_EUSAGE;
}

/* @digits of a number, and what must follow. */
static bool number(const char **s, unsigned digits, const char *behind, int *ret)
{
	*ret = 0;
	for (unsigned i = 0; i < digits; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		*ret = *ret * 10 + **s - '0';
	}
	if (!behind)
		return true;
	return strchr(behind, **s) && *(*s)++;
}

/* RFC 3339: "2026-11-21T16:47:51.25+01:00". 0, SD_EPARSE. */
static int read_time(const char *s, int64_t *ret)
{
	struct tm t = { 0 };
	int hours = 0, minutes = 0, sign = 0;

	if (!number(&s, 4, "-", &t.tm_year) || !number(&s, 2, "-", &t.tm_mon) || !number(&s, 2, "Tt", &t.tm_mday) ||
	    !number(&s, 2, ":", &t.tm_hour) || !number(&s, 2, ":", &t.tm_min) || !number(&s, 2, NULL, &t.tm_sec))
		return SD_EPARSE;
	if (t.tm_mon < 1 || t.tm_mon > 12 || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60)
		return SD_EPARSE;
	if (*s == '.')
		s += 1 + strspn(s + 1, "0123456789");
	if (*s == '+' || *s == '-') {
		sign = *s++ == '+' ? 1 : -1;
		if (!number(&s, 2, ":", &hours) || !number(&s, 2, NULL, &minutes))
			return SD_EPARSE;
	} else if (*s != 'Z' && *s != 'z') {
		return SD_EPARSE;
	} else {
		s++;
	}
	t.tm_year -= 1900;
	t.tm_mon--;
	*ret = (int64_t)timegm(&t) - sign * (hours * 3600 + minutes * 60);
	return *s ? SD_EPARSE : 0;
}

/* A text, or NULL where it is absent or empty; false: it is something else. */
static bool take_text(const json_t *status, const char *key, const char **ret)
{
	const json_t *v = json_object_get(status, key);
	const char *s = json_string_value(v);

	*ret = s && *s ? s : NULL;
	return !v || json_is_null(v) || (s && strlen(s) == json_string_length(v));
}

static int take_pair(struct arena *arena, const struct api_exec *x, const char *cert, const char *key, struct exec_answer *a,
		     struct strbuf *why)
{
	const struct kc_data c = { cert, cert ? strlen(cert) : 0 }, k = { key, key ? strlen(key) : 0 };

	if (!cert != !key)
		return refuse(x, why, "gave only one of certificate and key%s", "");
	if (!cert)
		return 0;
	if (!pem_has(&c, "CERTIFICATE") || !pem_has(&k, "PRIVATE KEY"))
		return refuse(x, why, "gave a certificate or key that is no PEM%s", "");
	a->cert = (struct api_pem){ arena_strndup(arena, cert, c.size), c.size, "the exec plugin" };
	a->key = (struct api_pem){ arena_strndup(arena, key, k.size), k.size, "the exec plugin" };
	return a->cert.data && a->key.data ? 0 : -ENOMEM;
}

static int take_status(struct arena *arena, const struct api_exec *x, const json_t *status, struct exec_answer *a, struct strbuf *why)
{
	const char *token, *cert, *key, *expires;

	if (!json_is_object(status))
		return refuse(x, why, "gave no status%s", "");
	if (!take_text(status, "token", &token) || !take_text(status, "clientCertificateData", &cert) ||
	    !take_text(status, "clientKeyData", &key) || !take_text(status, "expirationTimestamp", &expires) ||
	    (expires && read_time(expires, &a->expires) < 0))
		return refuse(x, why, "gave a status that cannot be read%s", "");
	if (!token && !cert && !key)
		return refuse(x, why, "gave neither a token nor a certificate with its key%s", "");
	if (token && !header_ok(token))
		return refuse(x, why, "gave a token with a line end or a control character%s", "");
	a->token = token ? arena_strdup(arena, token) : NULL;
	if (token && !a->token)
		return -ENOMEM;
	return take_pair(arena, x, cert, key, a, why);
}

static int take_answer(struct arena *arena, const struct api_exec *x, const json_t *v, struct exec_answer *ret, struct strbuf *why)
{
	struct exec_answer a = { .expires = INT64_MAX };
	const char *kind = json_str(v, "kind"), *version = json_str(v, "apiVersion");
	int r;

	if (!str_is(kind, "ExecCredential"))
		return refuse(x, why, "printed no ExecCredential%s", "");
	if (!str_is(version, x->api_version))
		return refuse(x, why, "answered with another apiVersion than the kubeconfig's: '%s'", version ? version : "");
	r = take_status(arena, x, json_object_get(v, "status"), &a, why);
	if (r == 0)
		*ret = a;
	return r;
}

int exec_read_answer(struct arena *arena, const struct api_exec *x, const char *text, size_t size, struct exec_answer *ret,
		     struct strbuf *why)
{
	struct yaml_fault fault;
	json_t *v = json_loadb(text, size, 0, NULL);
	int r = v ? 0 : yaml_to_json(text, size, &limits, &v, &fault);

	if (r == -ENOMEM)
		return r;
	r = r < 0 ? refuse(x, why, "printed no ExecCredential%s", "") : take_answer(arena, x, v, ret, why);
	if (v)
		json_decref(v);
	return r == SD_EUSAGE && why->failed ? -ENOMEM : r;
}
