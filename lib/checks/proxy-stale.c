/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules that are behind the API, proven by times and by other nodes: which Services changed since the node's last sync, and whether exactly those
 * that changed since some moment are wrong. The API is what must be; what changed seconds before the node was looked at is not a fault yet.
 */
#include "proxy-sync-private.h"

#define WRONG_MIN 3	 /* frontends that must be wrong to draw a line between what was followed and what not */
#define SECONDS_FEW 3	 /* that a change takes to a node besides minSyncPeriod */
#define NAMES_SHOWN 3

static int64_t min_sync_of(const struct proxy_view *v)
{
	int64_t ms;

	/* 1 s, pkg/proxy/apis/config/v1alpha1/defaults.go */
	if (!v->config->known || !v->config->min_sync_period || parse_duration(v->config->min_sync_period, &ms) < 0)
		return 1;
	return (ms + 999) / 1000;
}

/* ---- evidence ---- */

static void changed_evidence(struct run *r, struct proxy_node *p, struct finding *f)
{
	const int64_t told = ((const struct finding_full *)f)->behind_since, synced = told ? told : proxy_synced(r, p->v), now = proxy_now(r, p->v);
	CLEANUP(strbuf_release) struct strbuf names = STRBUF_INIT;
	size_t changed = 0;

	for (size_t i = 0; synced > 0 && i < f->services.len; i++) {
		const struct k8s_meta *m = &f->services.v[i]->meta;

		if (proxy_changed(r, f->services.v[i]) <= synced)
			continue;
		if (changed++ < NAMES_SHOWN)
			strbuf_addf(&names, "%s%s/%s", changed > 1 ? ", " : "", m->ns, m->name);
	}
	if (changed > NAMES_SHOWN)
		strbuf_addf(&names, " and %zu more", changed - NAMES_SHOWN);
	if (changed)
		finding_evidence(r, f, "%zu of these Services changed in the last %s: %s", changed, now > synced ? proxy_ago(r, now - synced) : "minutes",
				 strbuf_str(&names));
}

static void peer_evidence(struct run *r, struct proxy_node *p, struct finding *f)
{
	for (size_t i = 0; i < r->d->verify.peers.len; i++) {
		const struct verify_peer *x = &r->d->verify.peers.v[i];

		if (str_is(x->node, p->v->node) && x->text)
			finding_evidence(r, f, "%s", x->text);
	}
}

static void rules_evidence(struct run *r, struct proxy_node *p, struct finding *f)
{
	size_t shown = 0;

	for (size_t i = 0; i < p->findings.len && shown < 2; i++) {
		const struct finding *g = p->findings.v[i];

		if (g == f || !g->services.len || str_is(g->check->id, "node-differs-from-peers"))
			continue;
		if (((const struct finding_full *)g)->own_rules || ((const struct finding_full *)g)->foreign)
			continue;
		for (size_t k = 0; f->check->explains && f->check->explains[k]; k++)
			if (strcmp(f->check->explains[k], g->check->id) == 0) {
				finding_evidence(r, f, "%s", g->text);
				shown++;
			}
	}
}

void proxy_stale_evidence(struct run *r, struct proxy_node *p, struct finding *f)
{
	if (!((struct finding_full *)f)->own_rules)
		return;
	if (!f->services.len) {
		if (p->v->judged && p->nfronts && f->severity == SEVERITY_WARNING)
			finding_evidence(r, f, "the node's rules are as they must be still");
		return;
	}
	changed_evidence(r, p, f);
	peer_evidence(r, p, f);
	rules_evidence(r, p, f);
}

/* ---- exactly what changed since then is wrong ---- */

static bool is_of_state(const char *check)
{
	static const char *const checks[] = { "rules-missing-for-service", "rules-endpoints-diff", "rules-stale-endpoint", "rules-stale-frontend",
					      "rules-not-refused", "rules-wrong-refusal", "rules-wrong-statistic-probability", "node-differs-from-peers", NULL };

	return str_one_of(check, strlen(check), checks);
}

/* All that is wrong there would be right in an older state of the API. */
static bool only_older(const struct proxy_node *p)
{
	bool any = false;

	for (size_t i = 0; i < p->findings.len; i++) {
		const struct finding *f = p->findings.v[i];

		if (f->axis != AXIS_RULES || !f->services.len || f->severity < SEVERITY_WARNING || ((const struct finding_full *)f)->own_rules)
			continue;
		if (((const struct finding_full *)f)->foreign || !is_of_state(f->check->id))
			return false;
		any = true;
	}
	return any;
}

/* Another finding about kube-proxy stands for them. */
static bool is_told(const struct proxy_node *p)
{
	for (size_t i = 0; i < p->findings.len; i++)
		if (((const struct finding_full *)p->findings.v[i])->own_rules && p->findings.v[i]->services.len)
			return true;
	return proxy_found(p, "kube-proxy-not-running") != NULL;
}

void proxy_stale_findings(struct run *r, struct proxy_node *p)
{
	const int64_t now = proxy_now(r, p->v);
	struct finding *f;

	if (is_told(p) || !only_older(p))
		return;
	proxy_count_frontends(r, p);
	if (p->untimed || p->wrong < WRONG_MIN || !p->right || p->first_wrong <= p->last_right || (now > 0 && now - p->first_wrong <= 60))
		return;
	f = proxy_cause(r, p, "kube-proxy-not-syncing",
			now > 0 ? run_printf(r, "has not followed the API server for %s", proxy_ago(r, now - p->first_wrong)) : NULL, NULL, p->first_wrong - 1);
	f->rank = 4;
	finding_evidence(r, f, "all that changed since then is wrong there, and all that did not change is right");
	if (p->v->pod) {
		finding_next(r, f, "kubectl -n %s logs %s", p->v->pod->meta.ns, p->v->pod->meta.name);
		finding_fix(r, f, "kubectl -n %s delete pod %s", p->v->pod->meta.ns, p->v->pod->meta.name);
	}
}

/* ---- what is being written ---- */

static bool is_fresh(struct run *r, const struct proxy_node *p, const struct k8s_service *s)
{
	const int64_t now = proxy_now(r, p->v), changed = proxy_changed(r, s), synced = proxy_synced(r, p->v);

	return now > 0 && changed > 0 && now - changed <= SECONDS_FEW + min_sync_of(p->v) && changed - now < 3600 && (!synced || synced <= changed);
}

void proxy_fresh_findings(struct run *r, struct proxy_node *p)
{
	for (size_t i = 0; i < p->findings.len; i++) {
		struct finding *f = p->findings.v[i];
		bool fresh = f->services.len && is_of_state(f->check->id) && !((struct finding_full *)f)->foreign;

		for (size_t k = 0; fresh && k < f->services.len; k++)
			fresh = is_fresh(r, p, f->services.v[k]);
		if (!fresh)
			continue;
		finding_severity(f, MIN(f->severity, SEVERITY_WARNING));
		finding_evidence(r, f, "it changed within the last %lld seconds before the node was looked at: kube-proxy may be writing it just now",
				 (long long)(SECONDS_FEW + min_sync_of(p->v)));
	}
}
