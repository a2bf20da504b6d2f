/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decoders of what the API server calls: webhook configurations and APIServices. */

#include "k8s-private.h"

#define HTTPS 443

static void decode_reference(struct k8s_dec *d, const json_t *service, struct k8s_call *c)
{
	c->service = dec_name(d, service, "name");
	c->ns = dec_name(d, service, "namespace");
	c->port = (uint16_t)dec_int(d, service, "port", 1, UINT16_MAX, HTTPS);
}

/* The policy is Fail by default in v1, and Ignore in v1beta1. */
static bool ignores_failure(struct k8s_dec *d, const json_t *webhook, const char *version)
{
	const char *policy = dec_name(d, webhook, "failurePolicy");

	if (policy)
		return strcmp(policy, "Ignore") == 0;
	return version && str_ends(version, "/v1beta1");
}

static void decode_webhooks(struct k8s_dec *d, const json_t *o, struct k8s_caller *c)
{
	const json_t *a = dec_arr(d, o, "webhooks");
	size_t len = json_array_size(a);
	struct k8s_call *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		const json_t *w = json_array_get(a, i);

		v[i].name = dec_name(d, w, "name");
		v[i].ignored = ignores_failure(d, w, json_str(o, "apiVersion"));
		decode_reference(d, dec_obj(d, dec_obj(d, w, "clientConfig"), "service"), &v[i]);
	}
	c->calls = v;
	c->ncalls = v ? len : 0;
}

static void decode_api_service(struct k8s_dec *d, const json_t *o, struct k8s_caller *c)
{
	struct k8s_call *v = dec_array(d, 1, sizeof(*v));

	if (!v)
		return;
	d->where = "spec";
	decode_reference(d, dec_obj(d, dec_obj(d, o, "spec"), "service"), v);
	d->where = "status";
	c->conditions = dec_conditions(d, dec_obj(d, o, "status"), &c->nconditions);
	c->calls = v;
	c->ncalls = 1;
}

void decode_caller(struct k8s_dec *d, const json_t *o, const struct k8s_meta *m)
{
	struct k8s_caller *c = dec_new(d, struct k8s_caller, m);

	if (!c)
		return;
	c->kind = dec_intern(d, d->kind);
	if (strcmp(d->kind, "APIService") == 0)
		decode_api_service(d, o, c);
	else
		decode_webhooks(d, o, c);
	dec_keep(d, &d->c->callers, c);
}
