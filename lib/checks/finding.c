/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a finding is made: text, evidence, Services concerned, and the commands. Commands are the one place where a
 * name from outside could reach a shell, so they have a formatter of their own that refuses what is no name.
 */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>

#include "checks-private.h"

#define EVIDENCE_MAX 12
#define COMMANDS_MAX 8

const char *run_printf(struct run *r, const char *fmt, ...)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const char *s;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&b, fmt, ap);
	va_end(ap);
	s = b.failed ? NULL : arena_strndup(r->a, strbuf_str(&b), b.len);
	if (!s)
		r->err = -ENOMEM;
	return s ? s : "";
}

struct finding *finding_new(struct run *r, const char *id, const char *node, const char *detail, const char *subject)
{
	struct finding_full *full = arena_new(r->a, struct finding_full);
	const struct check *check = check_find(id);

	if (!full || !check) {
		r->err = full ? -EINVAL : -ENOMEM;
		return &r->dummy.f;
	}
	full->f.check = check;
	full->f.axis = check->axis;
	full->f.severity = check->severity;
	full->f.node = node;
	full->f.subject = subject;
	full->f.text = check->title;
	full->f.id = run_printf(r, "%s/%s/%s%s%s", id, node ? node : "-", subject, detail ? "/" : "",
				detail ? detail : "");
	run_push(r, &r->d->findings, &full->f);
	return &full->f;
}

struct finding *finding_of_service(struct run *r, const char *id, const char *node, const char *detail, struct svc *v)
{
	const struct k8s_meta *m = &v->o->meta;
	struct finding *f = finding_new(r, id, node, detail, run_printf(r, "Service %s/%s", m->ns, m->name));

	finding_concerns(r, f, v->o);
	return f;
}

struct finding *finding_of_pod(struct run *r, const char *id, const struct k8s_pod *p)
{
	return finding_new(r, id, NULL, NULL, run_printf(r, "Pod %s/%s", p->meta.ns, p->meta.name));
}

static const char *va_text(struct run *r, const char *fmt, va_list ap)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const char *s;

	strbuf_vaddf(&b, fmt, ap);
	s = b.failed ? NULL : arena_strndup(r->a, strbuf_str(&b), b.len);
	if (!s)
		r->err = -ENOMEM;
	return s ? s : "";
}

void finding_text(struct run *r, struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	f->text = va_text(r, fmt, ap);
	va_end(ap);
}

void finding_because(struct run *r, struct finding *f, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	f->because = va_text(r, fmt, ap);
	va_end(ap);
}

void finding_evidence(struct run *r, struct finding *f, const char *fmt, ...)
{
	va_list ap;

	if (f->evidence.len >= EVIDENCE_MAX)
		return;
	va_start(ap, fmt);
	run_push(r, &f->evidence, va_text(r, fmt, ap));
	va_end(ap);
}

void finding_event(struct run *r, struct finding *f, const struct k8s_event *e)
{
	if (!e)
		return;
	finding_evidence(r, f, "event %s%s: %.300s", e->reason ? e->reason : "",
			 e->count > 1 ? run_printf(r, " (%lld times)", (long long)e->count) : "",
			 e->message ? e->message : "no message");
	if (!f->since)
		f->since = e->first ? e->first : e->last;
}

void finding_changed(struct finding *f, const struct k8s_meta *m)
{
	f->since = m->last_change ? m->last_change : m->created;
	f->changed_by = m->last_manager;
}

void finding_concerns(struct run *r, struct finding *f, const struct k8s_service *s)
{
	/* Services come in order, so that looking at the last one is enough within one check. */
	for (size_t i = f->services.len; i > 0 && i + 4 > f->services.len; i--)
		if (f->services.v[i - 1] == s)
			return;
	run_push(r, &f->services, s);
}

void finding_partial(struct finding *f)
{
	((struct finding_full *)f)->partial = true;
}

void finding_cluster(struct finding *f)
{
	((struct finding_full *)f)->cluster = true;
}

bool finding_is_partial(const struct finding *f)
{
	return ((const struct finding_full *)f)->partial;
}

bool finding_is_cluster(const struct finding *f)
{
	return ((const struct finding_full *)f)->cluster;
}

/* ---- commands ---- */

bool is_token(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 317 || s[0] == '-')
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._:/-", *s))
			return false;
	return true;
}

static bool is_address(const char *s)
{
	struct ip_addr a;
	const char *end;
	uint64_t port;

	if (s[0] == '[') {
		end = strchr(s, ']');
		if (!end || ip_addr_parsen(s + 1, (size_t)(end - s - 1), &a) < 0)
			return false;
		end++;
	} else if (ip_addr_parse(s, &a) == 0) {
		return true;
	} else {
		end = strchr(s, ':');
		if (!end || ip_addr_parsen(s, (size_t)(end - s), &a) < 0)
			return false;
	}
	if (*end == '\0')
		return true;
	if (*end++ != ':')
		return false;
	return parse_uint(end, strcspn(end, "/"), 65535, &port) == 0 &&
	       (!strchr(end, '/') || is_token(strchr(end, '/') + 1));
}

static bool command_word(struct strbuf *b, char kind, const char *s)
{
	bool good = s && (kind == 's' ? is_k8s_name(s) : kind == 'a' ? is_address(s) : is_token(s));

	if (good)
		strbuf_adds(b, s);
	return good;
}

const char *command_format(struct run *r, const char *fmt, va_list ap)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const char *s;

	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			strbuf_addc(&b, *fmt);
			continue;
		}
		fmt++;
		if (*fmt == '%')
			strbuf_addc(&b, '%');
		else if (*fmt == 'u')
			strbuf_addf(&b, "%u", va_arg(ap, unsigned));
		else if (!command_word(&b, *fmt, va_arg(ap, const char *)))
			return NULL;
	}
	s = b.failed ? NULL : arena_strndup(r->a, strbuf_str(&b), b.len);
	if (!s)
		r->err = -ENOMEM;
	return s;
}

void finding_next(struct run *r, struct finding *f, const char *fmt, ...)
{
	const char *s;
	va_list ap;

	va_start(ap, fmt);
	s = command_format(r, fmt, ap);
	va_end(ap);
	for (size_t i = 0; s && i < f->next.len; i++)
		if (strcmp(f->next.v[i], s) == 0)
			return;
	if (s && f->next.len < COMMANDS_MAX)
		run_push(r, &f->next, s);
}

void finding_fix(struct run *r, struct finding *f, const char *fmt, ...)
{
	const char *s;
	va_list ap;

	va_start(ap, fmt);
	s = command_format(r, fmt, ap);
	va_end(ap);
	if (s && f->fix.len < COMMANDS_MAX)
		run_push(r, &f->fix, s);
}

/* ---- small texts ---- */

const char *labels_text(struct run *r, const struct k8s_labels *l)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	const size_t shown = MIN(l->len, 8);

	for (size_t i = 0; i < shown; i++)
		strbuf_addf(&b, "%s%s=%s", i ? "," : "", l->v[i].key, l->v[i].value);
	if (l->len > shown)
		strbuf_adds(&b, ",...");
	return run_printf(r, "%s", strbuf_str(&b));
}

const char *target_port_text(struct run *r, const struct k8s_service_port *p)
{
	if (p->target.name)
		return p->target.name;
	return run_printf(r, "%u", p->target.number ? p->target.number : p->port);
}

const char *proto_upper(uint8_t proto)
{
	return proto == IPPROTO_UDP ? "UDP" : proto == IPPROTO_SCTP ? "SCTP" : "TCP";
}

const char *time_text(struct run *r, const char *t)
{
	if (!t)
		return NULL;
	if (strlen(t) < 16 || t[10] != 'T')
		return t;
	return run_printf(r, "%.10s %.5s", t, t + 11);
}

const char *time_later(const char *a, const char *b)
{
	if (!a || !b)
		return a ? a : b;
	return strcmp(a, b) >= 0 ? a : b;
}
