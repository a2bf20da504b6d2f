/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names that somebody types at a place: kubernetes.default, the names of Services in each form, and whatever was asked for. */
#include <errno.h>

#include "dns-plan-private.h"

enum { SERVICES_MAX = 20, ALL_FORMS_MAX = 3 };

static const char *searched_ns(struct arena *a, const struct snap_dns *from)
{
	size_t len = 0;
	const char *ns = from->has_conf ? resolv_conf_namespace(&from->conf, &len) : NULL;

	return ns ? arena_strndup(a, ns, len) : NULL;
}

const char *dns_place_ns(struct arena *a, const struct snap_dns *from)
{
	return from->ns ? from->ns : searched_ns(a, from);
}

struct typing {
	struct arena *a;
	const char *domain, *ns;
	struct dns_typed_list *ret;
	int err;
};

static void type(struct typing *t, const char *text, const char *full, const struct k8s_service *s, bool control)
{
	struct dns_typed x = { text, full, s, control };

	for (size_t i = 0; text && i < t->ret->v.len; i++)
		if (strcasecmp(t->ret->v.v[i].text, text) == 0)
			return;
	if (!text || array_push(&t->ret->v, x) < 0)
		t->err = -ENOMEM;
}

static void service_names(struct typing *t, const struct k8s_service *s, bool all)
{
	const struct k8s_meta *m = &s->meta;
	const char *full = arena_printf(t->a, "%s.%s.svc.%s", m->name, m->ns, t->domain);

	if (!full) {
		t->err = -ENOMEM;
		return;
	}
	if (str_is(t->ns, m->ns))
		type(t, arena_strdup(t->a, m->name), full, s, false);
	type(t, arena_printf(t->a, "%s.%s", m->name, m->ns), full, s, false);
	if (all)
		type(t, arena_printf(t->a, "%s.%s.svc", m->name, m->ns), full, s, false);
	type(t, full, full, s, false);
	if (all)
		type(t, arena_printf(t->a, "%s.", full), full, s, false);
}

/* The whole name that a name of a Service means here; NULL: it is not the form of one, or the namespace is not known. */
static const char *full_of(struct typing *t, const char *name)
{
	char svc[64], ns[64];

	if (service_name_split(name, t->domain, svc, ns) < 0 || (!*ns && !t->ns))
		return NULL;
	/* two labels are any name of the world, too; what has "svc" behind them is not */
	return arena_printf(t->a, "%s.%s.svc.%s", svc, *ns ? ns : t->ns, t->domain);
}

static void asked_name(struct typing *t, const char *name)
{
	const char *full = full_of(t, name);
	bool whole = full && dns_name_inside(name, t->domain);

	type(t, name, full, NULL, false);
	if (full && !whole && strchr(name, '.') == NULL)
		type(t, arena_strndup(t->a, full, strlen(full) - strlen(t->domain) - strlen(".svc.")), full, NULL, false);
	if (full)
		type(t, full, full, NULL, false);
}

int dns_typed_make(struct arena *a, const struct snap_dns *from, const char *domain, const char *name, const char *ns,
		   const struct k8s_service *const *services, size_t nservices, struct dns_typed_list *ret)
{
	struct typing t = { .a = a, .domain = domain, .ret = ret };

	t.ns = dns_place_ns(a, from);
	t.ns = t.ns ? t.ns : ns;
	type(&t, "kubernetes.default", arena_printf(a, "kubernetes.default.svc.%s", domain), NULL, true);
	for (size_t i = 0; i < nservices; i++) {
		if (i < SERVICES_MAX)
			service_names(&t, services[i], nservices <= ALL_FORMS_MAX);
		else
			ret->left++;
	}
	if (name)
		asked_name(&t, name);
	return t.err;
}
