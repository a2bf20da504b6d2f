/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the command `endpoints`: the pods that a Service selects beside the endpoints that its slices list. */
#include "checks-private.h"

struct listed {
	const struct k8s_endpoint *e;
	const struct k8s_slice *slice;
	bool shown;
};

struct listing {
	struct map by_ip, by_uid;
	ARRAY_OF(struct listed *) v;
};

static void listing_release(struct listing *l)
{
	map_release(&l->by_ip);
	map_release(&l->by_uid);
	array_free(&l->v);
}

static void list_endpoints(struct run *r, const struct svc *v, struct listing *l)
{
	for (size_t i = 0; v->slices && i < v->slices->v.len; i++) {
		const struct k8s_slice *sl = v->slices->v.v[i];

		for (size_t j = 0; j < sl->nendpoints; j++) {
			struct listed *x = arena_new(&r->scratch, struct listed);

			if (!x) {
				r->err = -ENOMEM;
				return;
			}
			x->e = &sl->endpoints[j];
			x->slice = sl;
			run_push(r, &l->v, x);
			if ((x->e->ip.family && map_put(&l->by_ip, &x->e->ip, sizeof(x->e->ip), x) < 0) ||
			    (x->e->target_uid && map_puts(&l->by_uid, x->e->target_uid, x) < 0))
				r->err = -ENOMEM;
		}
	}
}

static const char *slice_ports_text(struct run *r, const struct k8s_slice *sl)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;

	for (size_t i = 0; i < sl->nports && i < 8; i++)
		strbuf_addf(&b, "%s%u/%s%s%s", i ? "," : "", sl->ports[i].port, proto_upper(sl->ports[i].proto),
			    sl->ports[i].name && sl->ports[i].name[0] ? " " : "",
			    sl->ports[i].name ? sl->ports[i].name : "");
	return b.len ? run_printf(r, "%s", strbuf_str(&b)) : NULL;
}

static void fill_listed(struct run *r, const struct svc *v, struct endpoint_row *row, struct listed *x)
{
	row->ready = row->serving = row->terminating = -1;
	if (!x)
		return;
	x->shown = true;
	/* absent means yes for ready and serving, no for terminating (discovery.k8s.io/v1) */
	row->ready = x->e->ready != 0;
	row->serving = x->e->serving < 0 ? row->ready : x->e->serving;
	row->terminating = x->e->terminating == 1;
	row->slice = x->slice->meta.name;
	row->ports = slice_ports_text(r, x->slice);
	if (!row->ports)
		row->note = "its slice has no port";
	else if (!slice_used(v->o, x->slice))
		row->note = "kube-proxy does not read its slice";
}

static const char *const state_of[] = {
	[POD_NO_ADDRESS] = "running, without an address", [POD_UNSCHEDULABLE] = "not scheduled"
};

static void pod_row(struct run *r, const struct svc *v, struct listing *l, const struct k8s_pod *p,
		    struct endpoints_report *ret)
{
	struct endpoint_row row = { .service = v->o, .pod = p->meta.name, .node = p->node };
	struct listed *x = p->meta.uid ? map_gets(&l->by_uid, p->meta.uid) : NULL;
	char buf[IP_ADDR_STRLEN];
	struct pod_view w;

	for (size_t i = 0; !x && i < p->nips; i++)
		x = map_get(&l->by_ip, &p->ips[i], sizeof(p->ips[i]));
	pod_view(r, p, &w);
	row.state = (size_t)w.trouble < ARRAY_LEN(state_of) && state_of[w.trouble] ? state_of[w.trouble] : w.state;
	row.restarts = w.restarts;
	row.since = w.since;
	row.address = p->nips ? run_printf(r, "%s", ip_addr_format(&p->ips[0], buf)) : NULL;
	fill_listed(r, v, &row, x);
	if (!x && run_reaches(r, K8S_SLICES, v))
		row.note = w.trouble == POD_FINISHED ? "finished: never an endpoint"
			   : pod_counts_ready(p)     ? "ready, and in no slice"
						     : "in no slice";
	run_push(r, &ret->rows, row);
}

static void endpoint_only_row(struct run *r, const struct svc *v, struct listed *x, struct endpoints_report *ret)
{
	struct endpoint_row row = { .service = v->o, .node = x->e->node_name };
	char buf[IP_ADDR_STRLEN];

	row.pod = x->e->target_kind && strcmp(x->e->target_kind, "Pod") == 0 ? x->e->target_name : NULL;
	row.address = x->e->ip.family	 ? run_printf(r, "%s", ip_addr_format(&x->e->ip, buf))
		      : x->e->naddresses ? x->e->addresses[0]
					 : NULL;
	fill_listed(r, v, &row, x);
	if (row.pod && v->o->selector.len && !row.note) {
		if (run_complete_of(r, K8S_PODS, v) && k8s_find_pod(r->c, v->o->meta.ns, row.pod))
			row.note = "its pod no longer has the labels";
		else if (run_would_have(r, K8S_PODS, v->o->meta.ns, row.pod))
			row.note = "its pod is not known";
	}
	run_push(r, &ret->rows, row);
}

static int row_order(const void *a, const void *b)
{
	const struct endpoint_row *x = a, *y = b;
	int c = strcmp(x->service->meta.ns, y->service->meta.ns);

	c = c ? c : strcmp(x->service->meta.name, y->service->meta.name);
	c = c ? c : strcmp(x->pod ? x->pod : "~", y->pod ? y->pod : "~");
	c = c ? c : strcmp(x->address ? x->address : "", y->address ? y->address : "");
	return c ? c : strcmp(x->slice ? x->slice : "", y->slice ? y->slice : "");
}

void endpoints_report_release(struct endpoints_report *e)
{
	array_free(&e->rows);
	arena_release(&e->arena);
}

int endpoints_run(const struct snapshot *s, const struct k8s_service *const *services, size_t nservices,
		  struct endpoints_report *ret)
{
	const struct diagnose_options o = { .services = services, .nservices = nservices };
	struct diagnosis none = { 0 };
	struct run r = { .s = s, .c = &s->cluster, .o = &o, .d = &none, .a = &ret->arena };

	run_index(&r);
	for (size_t i = 0; i < r.nsvcs && !r.err; i++) {
		CLEANUP(listing_release) struct listing l = { 0 };

		list_endpoints(&r, &r.svcs[i], &l);
		for (size_t j = 0; j < r.svcs[i].pods->v.len && !r.err; j++)
			pod_row(&r, &r.svcs[i], &l, r.svcs[i].pods->v.v[j], ret);
		for (size_t j = 0; j < l.v.len && !r.err; j++)
			if (!l.v.v[j]->shown)
				endpoint_only_row(&r, &r.svcs[i], l.v.v[j], ret);
	}
	run_release(&r);
	diagnosis_release(&none);
	if (r.err)
		return r.err;
	if (ret->rows.len)
		qsort(ret->rows.v, ret->rows.len, sizeof(*ret->rows.v), row_order);
	return 0;
}
