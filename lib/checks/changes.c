/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What changed between two diagnoses. Each is reduced to a digest first, so that a watch over days keeps one snapshot at a time. What a
 * look could not read is never taken for gone: a kind that was known and is not, or fewer dumps of a node, make the absence of
 * a finding mean nothing, and it stays as it was until a look that reads as much tells.
 */
#include "checks-private.h"

/* ---- reducing ---- */

void digest_release(struct digest *g)
{
	array_free(&g->findings);
	array_free(&g->services);
	array_free(&g->nodes);
	arena_release(&g->arena);
}

static int copy_finding(struct digest *g, const struct digest_finding *f)
{
	struct digest_finding n = *f;
	const char **names = arena_array(&g->arena, const char *, f->nservices + 1);

	n.id = arena_strdup(&g->arena, f->id);
	n.check = arena_strdup(&g->arena, f->check);
	n.subject = arena_strdup(&g->arena, f->subject);
	n.node = arena_strdup(&g->arena, f->node);
	n.text = arena_strdup(&g->arena, f->text);
	if (!names || !n.id || !n.check || !n.subject || !n.text || (f->node && !n.node))
		return -ENOMEM;
	for (size_t i = 0; i < f->nservices; i++) {
		names[i] = arena_strdup(&g->arena, f->services[i]);
		if (!names[i])
			return -ENOMEM;
	}
	n.services = names;
	return array_push(&g->findings, n);
}

static const char *full_name(struct arena *a, const struct k8s_service *s)
{
	return arena_printf(a, "%s/%s", s->meta.ns, s->meta.name);
}

static int add_finding(struct digest *g, struct arena *scratch, const struct finding *f)
{
	struct digest_finding n = { .id = f->id,
				    .check = f->check->id,
				    .subject = f->subject,
				    .node = f->node,
				    .text = f->text,
				    .axis = f->axis,
				    .severity = f->severity,
				    .cause = !f->explained_by,
				    .nservices = f->services.len };
	const char **names = arena_array(scratch, const char *, f->services.len + 1);

	for (size_t i = 0; names && i < f->services.len; i++) {
		names[i] = full_name(scratch, f->services.v[i]);
		if (!names[i])
			return -ENOMEM;
	}
	n.services = names;
	return names ? copy_finding(g, &n) : -ENOMEM;
}

static int copy_service(struct digest *g, const struct digest_service *s)
{
	struct digest_service n = { .name = arena_strdup(&g->arena, s->name),
				    .status = s->status,
				    .line = arena_strdup(&g->arena, s->line) };

	return n.name && (n.line || !s->line) ? array_push(&g->services, n) : -ENOMEM;
}

static int add_service(struct digest *g, struct arena *scratch, const struct service_result *s)
{
	struct digest_service n = { .name = full_name(scratch, s->service),
				    .status = s->status,
				    .line = s->axes[AXIS_ENDPOINTS].line };

	return n.name ? copy_service(g, &n) : -ENOMEM;
}

static int add_node(struct digest *g, const struct snap_node *node)
{
	struct digest_node n = { .name = arena_strdup(&g->arena, node->name) };

	for (int k = 0; k < DUMP_KINDS; k++)
		n.dumps += node->dumps[k] == KNOWN;
	return n.name ? array_push(&g->nodes, n) : -ENOMEM;
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct digest_finding *)a)->id, ((const struct digest_finding *)b)->id);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct digest_service *)a)->name, ((const struct digest_service *)b)->name);
}

static void sort_digest(struct digest *g)
{
	if (g->findings.len)
		qsort(g->findings.v, g->findings.len, sizeof(*g->findings.v), by_id);
	if (g->services.len)
		qsort(g->services.v, g->services.len, sizeof(*g->services.v), by_name);
}

int digest_make(const struct snapshot *s, const struct diagnosis *d, struct digest *ret)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	int r = 0;

	memcpy(ret->kinds, s->kinds, sizeof(ret->kinds));
	ret->live = s->live;
	for (size_t i = 0; r == 0 && i < d->findings.len; i++)
		r = add_finding(ret, &scratch, d->findings.v[i]);
	for (size_t i = 0; r == 0 && i < d->services.len; i++)
		r = add_service(ret, &scratch, &d->services.v[i]);
	for (size_t i = 0; r == 0 && i < s->nodes.len; i++)
		if (s->nodes.v[i]->any_rules)
			r = add_node(ret, s->nodes.v[i]);
	sort_digest(ret);
	return r;
}

/* ---- what the later look could not see ---- */

static int sight(enum known k)
{
	return k == KNOWN ? 2 : k == PARTLY_KNOWN ? 1 : 0;
}

static bool kind_lost(const struct digest *before, const struct digest *after, int k)
{
	return sight(after->kinds[k]) < sight(before->kinds[k]);
}

/* What nearly every check needs. */
static bool is_core(int k)
{
	return k == K8S_SERVICES || k == K8S_SLICES || k == K8S_PODS;
}

static unsigned needs_of_kind(int k)
{
	static const unsigned needs[K8S_KINDS] = {
		[K8S_NODES] = NEEDS_NODES,
		[K8S_ENDPOINTS] = NEEDS_ENDPOINTS,
		[K8S_EVENTS] = NEEDS_EVENTS,
		[K8S_INGRESSES] = NEEDS_INGRESSES,
		[K8S_CONFIGMAPS] = NEEDS_CONFIGMAPS,
		[K8S_SERVICECIDRS] = NEEDS_SERVICECIDRS,
		[K8S_NETPOLS] = NEEDS_NETPOLS,
		[K8S_NAMESPACES] = NEEDS_NAMESPACES,
		[K8S_STATEFULSETS] = NEEDS_WORKLOADS,
		[K8S_HTTPROUTES] = NEEDS_ROUTES,
		[K8S_INGRESSCLASSES] = NEEDS_INGRESSCLASSES,
	};

	return needs[k];
}

/*
 * A live run asks for more of a small cluster than of a large one. A kind that it no longer asks for, because the cluster has grown, hides
 * what needs just that; a kind that failed may hide anything.
 */
static bool is_unasked(const struct digest *after, int k)
{
	return after->live && after->kinds[k] == NOT_COLLECTED && !is_core(k);
}

static bool any_kind_lost(const struct digest *before, const struct digest *after)
{
	for (int k = 0; k < K8S_KINDS; k++)
		if (kind_lost(before, after, k) && !is_unasked(after, k))
			return true;
	return false;
}

static unsigned needs_unasked(const struct digest *before, const struct digest *after)
{
	unsigned needs = 0;

	for (int k = 0; k < K8S_KINDS; k++)
		if (kind_lost(before, after, k) && is_unasked(after, k))
			needs |= needs_of_kind(k);
	return needs;
}

static bool node_lost(const struct digest *before, const struct digest *after)
{
	for (size_t i = 0, j = 0; i < before->nodes.len; i++) {
		const struct digest_node *n = &before->nodes.v[i];

		while (j < after->nodes.len && strcmp(after->nodes.v[j].name, n->name) < 0)
			j++;
		if (j == after->nodes.len || strcmp(after->nodes.v[j].name, n->name) != 0 || after->nodes.v[j].dumps < n->dumps)
			return true;
	}
	return false;
}

struct sight {
	const struct digest *after;
	bool kinds_lost, nodes_lost, services_seen;
	unsigned unasked; /* NEEDS_ bits */
};

static struct sight sight_of(const struct digest *before, const struct digest *after)
{
	return (struct sight){ .after = after,
			       .kinds_lost = any_kind_lost(before, after),
			       .nodes_lost = node_lost(before, after),
			       .services_seen = !kind_lost(before, after, K8S_SERVICES),
			       .unasked = needs_unasked(before, after) };
}

static const struct digest_service *service_of(const struct digest *g, const char *name)
{
	const struct digest_service key = { .name = name };

	return g->services.len ? bsearch(&key, g->services.v, g->services.len, sizeof(key), by_name) : NULL;
}

/* Would the later look have found it, if it were there? */
static bool would_be_seen(const struct sight *s, const struct digest_finding *f)
{
	const struct check *check = check_find(f->check);
	bool services_left = f->nservices == 0;

	for (size_t i = 0; i < f->nservices; i++)
		services_left |= service_of(s->after, f->services[i]) != NULL;
	if (!services_left && s->services_seen)
		return true;
	return !s->kinds_lost && !(check && check->needs & s->unasked) && !(s->nodes_lost && (f->axis == AXIS_RULES || f->node));
}

/* What is not known counts as no better than what was known. */
static int badness(enum service_status s)
{
	return s == STATUS_BROKEN ? 2 : s == STATUS_DEGRADED ? 1 : 0;
}

static bool better_unseen(const struct sight *s, const struct digest_service *was, const struct digest_service *is)
{
	return (s->kinds_lost || s->nodes_lost) && badness(is->status) <= badness(was->status);
}

/* ---- comparing ---- */

const char *change_name(enum change_kind k)
{
	static const char *const names[] = { "new",    "severity", "concerns",	"appeared", "status",
					     "line", "explained",  "gone", "vanished" };

	return (unsigned)k < ARRAY_LEN(names) ? names[k] : "";
}

static int same_finding(struct changes *ret, const struct digest_finding *b, const struct digest_finding *a)
{
	struct change c = { .before = b, .after = a };
	int r = 0;

	if (!b->cause && !a->cause)
		return 0;
	if (b->cause != a->cause) {
		c.kind = a->cause ? CHANGE_NEW : CHANGE_EXPLAINED;
		return array_push(&ret->v, c);
	}
	if (b->severity != a->severity) {
		c.kind = CHANGE_SEVERITY;
		r = array_push(&ret->v, c);
	}
	if (r == 0 && b->nservices != a->nservices) {
		c.kind = CHANGE_CONCERNS;
		r = array_push(&ret->v, c);
	}
	return r;
}

static int compare_findings(const struct digest *before, const struct digest *after, const struct sight *s, struct changes *ret)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < before->findings.len || j < after->findings.len)) {
		const struct digest_finding *b = i < before->findings.len ? &before->findings.v[i] : NULL;
		const struct digest_finding *a = j < after->findings.len ? &after->findings.v[j] : NULL;
		int c = !b ? 1 : !a ? -1 : strcmp(b->id, a->id);

		if (c == 0)
			r = same_finding(ret, b, a);
		else if (c > 0 && a->cause)
			r = array_push(&ret->v, ((struct change){ .kind = CHANGE_NEW, .after = a }));
		else if (c < 0 && b->cause && would_be_seen(s, b))
			r = array_push(&ret->v, ((struct change){ .kind = CHANGE_GONE, .before = b }));
		else if (c < 0 && b->cause)
			ret->lost.unseen++;
		i += c <= 0;
		j += c >= 0;
	}
	return r;
}

static int same_service(const struct sight *s, struct changes *ret, const struct digest_service *was, const struct digest_service *is)
{
	struct change c = { .was = was, .is = is, .kind = was->status != is->status ? CHANGE_STATUS : CHANGE_LINE };

	if (was->status == is->status && (str_same(was->line, is->line) || s->kinds_lost))
		return 0;
	return was->status != is->status && better_unseen(s, was, is) ? 0 : array_push(&ret->v, c);
}

static int compare_services(const struct digest *before, const struct digest *after, const struct sight *s, struct changes *ret)
{
	size_t i = 0, j = 0;
	int r = 0;

	while (r == 0 && (i < before->services.len || j < after->services.len)) {
		const struct digest_service *was = i < before->services.len ? &before->services.v[i] : NULL;
		const struct digest_service *is = j < after->services.len ? &after->services.v[j] : NULL;
		int c = !was ? 1 : !is ? -1 : strcmp(was->name, is->name);

		if (c == 0)
			r = same_service(s, ret, was, is);
		else if (c > 0)
			r = array_push(&ret->v, ((struct change){ .kind = CHANGE_APPEARED, .is = is }));
		else if (s->services_seen)
			r = array_push(&ret->v, ((struct change){ .kind = CHANGE_VANISHED, .was = was }));
		i += c <= 0;
		j += c >= 0;
	}
	return r;
}

static const char *name_of(const struct change *c)
{
	return c->after ? c->after->id : c->before ? c->before->id : c->is ? c->is->name : c->was->name;
}

static int by_kind(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	const struct digest_finding *f = x->after ? x->after : x->before, *g = y->after ? y->after : y->before;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (f && g && f->severity != g->severity)
		return f->severity > g->severity ? -1 : 1;
	return strcmp(name_of(x), name_of(y));
}

static void what_is_lost(const struct digest *before, const struct digest *after, const struct sight *s, struct digest_lost *ret)
{
	ret->nodes = s->nodes_lost;
	for (int k = 0; k < K8S_KINDS; k++)
		ret->kinds[k] = kind_lost(before, after, k);
}

int digest_compare(const struct digest *before, const struct digest *after, struct changes *ret)
{
	const struct sight s = sight_of(before, after);
	const struct digest_lost *was = &before->lost, *is = &ret->lost;
	int r = compare_findings(before, after, &s, ret);

	r = r ? r : compare_services(before, after, &s, ret);
	what_is_lost(before, after, &s, &ret->lost);
	ret->lost_more = is->unseen && (!was->unseen || was->nodes != is->nodes || memcmp(was->kinds, is->kinds, sizeof(is->kinds)) != 0);
	ret->lost_none = was->unseen && !is->unseen;
	if (ret->v.len)
		qsort(ret->v.v, ret->v.len, sizeof(*ret->v.v), by_kind);
	return r;
}

/* ---- keeping ---- */

static const struct digest_finding *finding_of(const struct digest *g, size_t n, const char *id)
{
	const struct digest_finding key = { .id = id };

	return n ? bsearch(&key, g->findings.v, n, sizeof(key), by_id) : NULL;
}

static int keep_findings(const struct digest *before, struct digest *after, const struct sight *s)
{
	size_t n = after->findings.len;
	int r = 0;

	for (size_t i = 0; r == 0 && i < before->findings.len; i++) {
		const struct digest_finding *b = &before->findings.v[i];

		if (!b->cause || finding_of(after, n, b->id) || would_be_seen(s, b))
			continue;
		after->lost.unseen++;
		r = copy_finding(after, b);
	}
	return r;
}

static int keep_services(const struct digest *before, struct digest *after, const struct sight *s)
{
	size_t n = after->services.len;
	int r = 0;

	for (size_t i = 0, j = 0; r == 0 && i < before->services.len; i++) {
		const struct digest_service *was = &before->services.v[i];

		while (j < n && strcmp(after->services.v[j].name, was->name) < 0)
			j++;
		if (j == n || strcmp(after->services.v[j].name, was->name) != 0) {
			r = s->services_seen ? 0 : copy_service(after, was);
		} else if (better_unseen(s, was, &after->services.v[j])) {
			after->services.v[j].status = was->status;
			after->services.v[j].line = arena_strdup(&after->arena, was->line);
			r = !was->line || after->services.v[j].line ? 0 : -ENOMEM;
		}
	}
	return r;
}

static int keep_nodes(const struct digest *before, struct digest *after)
{
	array_free(&after->nodes);
	for (size_t i = 0; i < before->nodes.len; i++) {
		struct digest_node n = { arena_strdup(&after->arena, before->nodes.v[i].name), before->nodes.v[i].dumps };

		if (!n.name || array_push(&after->nodes, n) < 0)
			return -ENOMEM;
	}
	return 0;
}

int digest_keep(const struct digest *before, struct digest *after)
{
	const struct sight s = sight_of(before, after);
	int r = 0;

	what_is_lost(before, after, &s, &after->lost);
	if (s.kinds_lost || s.nodes_lost || s.unasked)
		r = keep_findings(before, after, &s);
	if (r == 0 && (s.kinds_lost || s.nodes_lost))
		r = keep_services(before, after, &s);
	for (int k = 0; k < K8S_KINDS; k++)
		if (after->lost.kinds[k])
			after->kinds[k] = before->kinds[k];
	if (r == 0 && s.nodes_lost)
		r = keep_nodes(before, after);
	sort_digest(after);
	return r;
}
