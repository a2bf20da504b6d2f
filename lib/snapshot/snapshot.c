/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The snapshot: made empty, filled by lib/source, finished here and only read from then on. Finishing also joins what
 * two sources tell of one thing: the Node object's addresses and kernel stand in where the node itself gave none.
 */

#include <errno.h>
#include <math.h>

#include <svcdoctor/snapshot.h>

const char *snap_try_name(enum snap_try_end e)
{
	static const char *const names[TRY_ENDS] = { "not-made", "answered", "refused", "rejected", "unsendable", "silent", "ended", "mute", "strange", "failed" };

	return (unsigned)e < TRY_ENDS ? names[e] : "";
}

const char *known_code(enum known k)
{
	switch (k) {
	case NOT_COLLECTED:
		return "not-collected";
	case FORBIDDEN:
		return "forbidden";
	case UNREADABLE:
		return "unreadable";
	case UNSUPPORTED:
		return "unsupported";
	case LATE:
		return "late";
	case KNOWN:
	case PARTLY_KNOWN:
		break;
	}
	return "";
}

const char *snap_dump_name(enum snap_dump d)
{
	static const char *const names[DUMP_KINDS] = {
		[DUMP_NFT4] = "iptables-nft", [DUMP_LEGACY4] = "iptables-legacy", [DUMP_NFT6] = "ip6tables-nft",
		[DUMP_LEGACY6] = "ip6tables-legacy", [DUMP_NFT_JSON] = "nft-ruleset", [DUMP_IPSET] = "ipset",
		[DUMP_IPVS] = "ipvs",
	};

	return names[d];
}

static const struct kube_proxy_config unknown_config = {
	.mode = "", .detect_local_mode = "", .masquerade_all = -1, .masquerade_bit = -1, .localhost_node_ports = -1,
	.strict_arp = -1, .conntrack_max_per_core = -1, .conntrack_min = -1, .conntrack_be_liberal = -1,
};

void snapshot_init(struct snapshot *s)
{
	*s = (struct snapshot){ .configmap_config = unknown_config };
	k8s_cluster_init(&s->cluster);
}

void snap_metrics_init(struct snap_metrics *m)
{
	*m = (struct snap_metrics){ .endpoints_pending = NAN, .services_pending = NAN, .started = NAN, .api_ok = NAN, .api_refused = NAN,
				    .api_failed = NAN, .invalid_dropped = NAN };
	for (size_t i = 0; i < 2; i++)
		m->family[i] = (struct snap_metrics_family){ .queued = NAN, .synced = NAN, .restore_failures = NAN, .partial_failures = NAN,
							     .nft_failures = NAN, .nft_cleanup_failures = NAN, .rules_nat = NAN,
							     .rules_filter = NAN, .rules_nft = NAN };
}

void snap_metrics_release(struct snap_metrics *m)
{
	for (size_t i = 0; i < 2; i++) {
		array_free(&m->family[i].sync.buckets);
		array_free(&m->family[i].full.buckets);
		array_free(&m->family[i].partial.buckets);
	}
	array_free(&m->programming.buckets);
}

static void proxy_init(struct snap_proxy *p)
{
	p->config = unknown_config;
	p->eligible = p->family_healthy[0] = p->family_healthy[1] = -1;
	snap_metrics_init(&p->metrics);
}

static void proxy_release(struct snap_proxy *p)
{
	snap_metrics_release(&p->metrics);
	array_free(&p->processes);
}

static void kernel_release(struct snap_kernel *k)
{
	map_release(&k->modules);
	map_release(&k->counters);
	array_free(&k->offloads);
	array_free(&k->recent);
}

const char *snap_proxy_port_name(enum snap_proxy_port p)
{
	static const char *const names[] = { "healthz", "livez", "proxyMode", "configz", "metrics" };

	return (unsigned)p < ARRAY_LEN(names) ? names[p] : "";
}

/* promql/quantile.go: linear within the bucket that has the rank; behind the last bound, that bound. */
double snap_quantile(const struct snap_histogram *h, double q)
{
	double rank = q * (double)h->count, low = 0, below = 0;

	if (!h->count || !h->buckets.len)
		return NAN;
	for (size_t i = 0; i < h->buckets.len; i++) {
		const struct snap_bucket *b = &h->buckets.v[i];

		if ((double)b->count >= rank && (double)b->count > below)
			return low + (b->le - low) * (rank - below) / ((double)b->count - below);
		low = b->le;
		below = (double)b->count;
	}
	return low;
}

void snapshot_release(struct snapshot *s)
{
	for (size_t i = 0; i < s->nodes.len; i++) {
		ruleset_release(&s->nodes.v[i]->rules);
		node_facts_release(&s->nodes.v[i]->facts);
		array_free(&s->nodes.v[i]->cni);
		array_free(&s->nodes.v[i]->flows.v);
		kernel_release(&s->nodes.v[i]->k);
		proxy_release(&s->nodes.v[i]->proxy);
	}
	array_free(&s->nodes);
	for (size_t i = 0; i < K8S_KINDS; i++) {
		array_free(&s->extents[i].namespaces);
		array_free(&s->extents[i].objects);
		array_free(&s->extents[i].services);
	}
	array_free(&s->missing);
	array_free(&s->probes);
	for (size_t i = 0; i < s->dns.len; i++) {
		resolv_conf_release(&s->dns.v[i]->conf);
		array_free(&s->dns.v[i]->answers);
	}
	array_free(&s->dns);
	for (size_t i = 0; i < s->logs.len; i++)
		log_summary_release(&s->logs.v[i].summary);
	array_free(&s->logs);
	k8s_cluster_release(&s->cluster);
	sd_notes_release(&s->notes);
	arena_release(&s->arena);
	*s = (struct snapshot){ 0 };
}

/* Are both of the same place? */
static bool same_place(const struct snap_dns *d, enum snap_dns_where where, const char *node, const char *ns, const char *pod)
{
	if (d->where != where)
		return false;
	if (where == DNS_FROM_POD)
		return strcmp(d->ns, ns) == 0 && strcmp(d->pod, pod) == 0;
	return where == DNS_FROM_HERE || strcmp(d->node, node) == 0;
}

static struct snap_dns *dns_new(struct snapshot *s, enum snap_dns_where where, const char *node, const char *ns, const char *pod)
{
	struct snap_dns *d = arena_alloc(&s->arena, sizeof(*d));

	if (!d)
		return NULL;
	*d = (struct snap_dns){ .where = where, .libc = -1 };
	d->node = node ? arena_strdup(&s->arena, node) : NULL;
	d->ns = ns ? arena_strdup(&s->arena, ns) : NULL;
	d->pod = pod ? arena_strdup(&s->arena, pod) : NULL;
	d->label = where == DNS_FROM_HERE ? "this machine" :
		   where == DNS_FROM_NODE ? arena_printf(&s->arena, "node %s", node) : arena_printf(&s->arena, "pod %s/%s", ns, pod);
	if ((node && !d->node) || (ns && !d->ns) || (pod && !d->pod) || !d->label || array_push(&s->dns, d) < 0)
		return NULL;
	return d;
}

struct snap_dns *snapshot_dns(struct snapshot *s, enum snap_dns_where where, const char *node, const char *ns, const char *pod)
{
	for (size_t i = 0; i < s->dns.len; i++) {
		if (same_place(s->dns.v[i], where, node, ns, pod))
			return s->dns.v[i];
	}
	return dns_new(s, where, node, ns, pod);
}

static int dns_order(const void *a, const void *b)
{
	const struct snap_dns *x = *(const struct snap_dns *const *)a, *y = *(const struct snap_dns *const *)b;

	if (x->where != y->where)
		return x->where < y->where ? -1 : 1;
	return strcmp(x->label, y->label);
}

struct snap_node *snapshot_node(struct snapshot *s, const char *name, bool make)
{
	struct snap_node *n;

	/* From the end: a source adds the files of one node one after the other. */
	for (size_t i = s->nodes.len; i-- > 0;) {
		if (strcmp(s->nodes.v[i]->name, name) == 0)
			return s->nodes.v[i];
	}
	if (!make)
		return NULL;
	n = arena_new(&s->arena, struct snap_node);
	if (!n || !(n->name = arena_strdup(&s->arena, name)) || array_push(&s->nodes, n) < 0)
		return NULL;
	ruleset_init(&n->rules);
	node_facts_init(&n->facts);
	proxy_init(&n->proxy);
	return n;
}

void snapshot_node_clear(struct snap_node *n)
{
	const struct snap_node old = *n;

	ruleset_release(&n->rules);
	node_facts_release(&n->facts);
	array_free(&n->cni);
	array_free(&n->flows.v);
	kernel_release(&n->k);
	*n = (struct snap_node){ .name = old.name, .proxy = old.proxy, .kubelet = old.kubelet };
	ruleset_init(&n->rules);
	node_facts_init(&n->facts);
}

/* ---- how far the objects of a kind go ---- */

bool snapshot_has_all(const struct snapshot *s, enum k8s_kind k, const char *ns)
{
	const struct snap_extent *e = &s->extents[k];

	if (s->kinds[k] != KNOWN || !e->limited)
		return s->kinds[k] == KNOWN;
	for (size_t i = 0; ns && i < e->namespaces.len; i++) {
		if (strcmp(e->namespaces.v[i], ns) == 0)
			return true;
	}
	return false;
}

static bool has_name(const struct snap_name *v, size_t len, const char *ns, const char *name)
{
	for (size_t i = 0; i < len; i++) {
		if (strcmp(v[i].name, name) == 0 && strcmp(v[i].ns, ns) == 0)
			return true;
	}
	return false;
}

bool snapshot_would_have(const struct snapshot *s, enum k8s_kind k, const char *ns, const char *name)
{
	const struct snap_extent *e = &s->extents[k];

	return snapshot_has_all(s, k, ns) || (s->kinds[k] == KNOWN && has_name(e->objects.v, e->objects.len, ns, name));
}

bool snapshot_has_of_service(const struct snapshot *s, enum k8s_kind k, const char *ns, const char *name)
{
	const struct snap_extent *e = &s->extents[k];

	return snapshot_has_all(s, k, ns) || (s->kinds[k] == KNOWN && has_name(e->services.v, e->services.len, ns, name));
}

static int compare_nodes(const void *pa, const void *pb)
{
	const struct snap_node *const *a = pa, *const *b = pb;

	return strcmp((*a)->name, (*b)->name);
}

/* What the Node object says of a node whose own files may be missing. */
static int join_node_object(struct snap_node *n, const struct k8s_node *o)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->naddresses; i++) {
		const struct k8s_node_address *a = &o->addresses[i];

		if (a->ip.family && (strcmp(a->type, "InternalIP") == 0 || strcmp(a->type, "ExternalIP") == 0))
			r = array_push(&n->facts.claimed, a->ip);
	}
	if (!n->kernel)
		n->kernel = o->kernel;
	return r;
}

static bool is_readable(enum known k)
{
	return k == KNOWN || k == PARTLY_KNOWN;
}

/* Plugins of one file lie side by side, in their order. */
static void sort_cni(struct snap_node *n)
{
	for (size_t i = 1; i < n->cni.len; i++) {
		struct snap_cni c = n->cni.v[i];
		size_t k = i;

		for (; k > 0 && strcmp(n->cni.v[k - 1].file, c.file) > 0; k--)
			n->cni.v[k] = n->cni.v[k - 1];
		n->cni.v[k] = c;
	}
	for (size_t i = 0; i < n->cni.len; i++)
		n->cni.v[i].second = strcmp(n->cni.v[i].file, n->cni.v[0].file) != 0;
}

static int finish_node(struct snapshot *s, struct snap_node *n)
{
	const struct k8s_node *object = k8s_find_node(&s->cluster, n->name);
	int r = object ? join_node_object(n, object) : 0;

	sort_cni(n);
	/* that there are no sets and no virtual servers is known of a machine whose rules nobody may read */
	for (size_t i = 0; i < DUMP_KINDS; i++)
		n->any_rules |= is_readable(n->dumps[i]) && !((n->live || n->tried) && n->dump_empty[i] && i >= DUMP_IPSET);
	if (r == 0)
		r = ruleset_finish(&n->rules);
	if (r == 0)
		r = node_facts_finish(&n->facts);
	return r;
}

static bool object_has_addr(const struct k8s_node *o, const struct node_facts *f)
{
	for (size_t i = 0; i < o->naddresses; i++) {
		if (o->addresses[i].ip.family == 0 || !o->addresses[i].type || strcmp(o->addresses[i].type, "InternalIP") != 0)
			continue;
		for (size_t k = 0; k < f->addrs.len; k++)
			if (ip_addr_equal(&f->addrs.v[k].addr, &o->addresses[i].ip))
				return true;
	}
	return false;
}

/* The place where a node asked bears its name too. */
static void rename_dns(struct snapshot *s, const char *from, const char *to)
{
	for (size_t i = 0; i < s->dns.len; i++) {
		struct snap_dns *d = s->dns.v[i];
		const char *label = d->where == DNS_FROM_NODE && strcmp(d->node, from) == 0 ? arena_printf(&s->arena, "node %s", to) : NULL;

		if (label) {
			d->node = to;
			d->label = label;
		}
	}
}

static void rename_logs(struct snapshot *s, const char *from, const char *to)
{
	for (size_t i = 0; i < s->logs.len; i++)
		if (str_is(s->logs.v[i].node, from))
			s->logs.v[i].node = to;
}

/* The log tells every flag, the command line those that were given: it counts where no log does. */
static void tell_flags(struct kube_proxy_config *c, const struct kube_proxy_config *log)
{
	if (log->known && (!c->known || str_is(c->source, SNAP_FROM_COMMAND)))
		*c = *log;
	else if (!c->known && !c->hostname_override)
		c->hostname_override = log->hostname_override;
}

/* Of iptables, which the kernel lacks, as far as that is not over; NULL: none. */
static const char *missing_extension(const struct log_summary *s)
{
	for (size_t i = s->hits.len; i-- > 0;) {
		const struct log_hit *h = &s->hits.v[i];

		if (h->reason && strcmp(h->reason->id, "extension-missing") == 0 && h->name && !h->over && h->last_line >= s->started_line)
			return h->name;
	}
	return NULL;
}

/* What a log of kube-proxy says of itself is its node's. */
static void tell_node(struct snapshot *s, const struct snap_log *l)
{
	struct snap_node *n = l->node && l->program == LOG_KUBE_PROXY && !l->previous ? snapshot_node(s, l->node, false) : NULL;

	if (!n)
		return;
	n->proxy.has_log = true;
	if (!n->proxy.log_mode)
		n->proxy.log_mode = l->summary.mode;
	if (!n->proxy.missing_extension)
		n->proxy.missing_extension = missing_extension(&l->summary);
	tell_flags(&n->proxy.flags_config, &l->flags);
}

/* The kubelet names a pod of its own after the node: pkg/kubelet/config/common.go generatePodName. */
static const char *node_of_static(const struct snapshot *s, const struct snap_log *l)
{
	static const char head[] = "kube-proxy-";
	const char *name = l->program == LOG_KUBE_PROXY && str_starts(l->pod, head) ? l->pod + sizeof(head) - 1 : NULL;

	for (size_t i = 0; name && i < s->nodes.len; i++)
		if (strcmp(s->nodes.v[i]->name, name) == 0)
			return name;
	return name && k8s_find_node(&s->cluster, name) ? name : NULL;
}

/* A log of a pod is one of its node; the node's own files count before it. */
static void finish_logs(struct snapshot *s)
{
	for (size_t i = 0; i < s->logs.len; i++) {
		struct snap_log *l = &s->logs.v[i];
		const struct k8s_pod *p = l->pod && l->ns && !l->node ? k8s_find_pod(&s->cluster, l->ns, l->pod) : NULL;

		if (p && p->node && *p->node)
			l->node = p->node;
		if (!p && l->pod && !l->node)
			l->node = node_of_static(s, l);
	}
	for (int of_pods = 0; of_pods < 2; of_pods++)
		for (size_t i = 0; i < s->logs.len; i++)
			if ((s->logs.v[i].pod != NULL) == of_pods)
				tell_node(s, &s->logs.v[i]);
}

/*
 * A bundle of one node is named after its folder. The node's own files may tell its real name: kube-proxy's
 * configuration, or the addresses of exactly one Node object; a cluster of one node leaves no choice.
 */
static void name_node(struct snapshot *s, struct snap_node *n)
{
	const struct k8s_node *found = NULL;
	const struct kube_proxy_config *c = n->proxy.config.known ? &n->proxy.config : &n->proxy.flags_config;
	const char *override = c->known ? c->hostname_override : NULL;
	size_t matches = 0;

	if (n->live || k8s_find_node(&s->cluster, n->name))
		return;
	if (override && k8s_find_node(&s->cluster, override))
		found = k8s_find_node(&s->cluster, override);
	for (size_t i = 0; !found && i < s->cluster.nodes.len; i++)
		matches += object_has_addr(s->cluster.nodes.v[i], &n->facts);
	for (size_t i = 0; !found && matches == 1 && i < s->cluster.nodes.len; i++)
		if (object_has_addr(s->cluster.nodes.v[i], &n->facts))
			found = s->cluster.nodes.v[i];
	if (!found && s->cluster.nodes.len == 1 && s->nodes.len == 1)
		found = s->cluster.nodes.v[0];
	if (found && !snapshot_node(s, found->meta.name, false)) {
		rename_dns(s, n->name, found->meta.name);
		rename_logs(s, n->name, found->meta.name);
		n->name = found->meta.name;
	}
}

int snapshot_finish(struct snapshot *s)
{
	int r = k8s_cluster_finish(&s->cluster);

	if (r == 0)
		finish_logs(s);
	for (size_t i = 0; r == 0 && i < s->nodes.len; i++)
		name_node(s, s->nodes.v[i]);

	for (size_t i = 0; i < K8S_KINDS; i++)
		s->any_cluster |= is_readable(s->kinds[i]);
	for (size_t i = 0; r == 0 && i < s->nodes.len; i++)
		r = finish_node(s, s->nodes.v[i]);
	if (r == 0 && s->nodes.len > 0)
		qsort(s->nodes.v, s->nodes.len, sizeof(s->nodes.v[0]), compare_nodes);
	if (r == 0 && s->dns.len > 0)
		qsort(s->dns.v, s->dns.len, sizeof(s->dns.v[0]), dns_order);
	return r;
}

const struct kube_proxy_config *snapshot_proxy_config(const struct snapshot *s, const struct snap_node *n)
{
	if (n && n->proxy.config.known)
		return &n->proxy.config;
	return !s->configmap_config.known && n && n->proxy.flags_config.known ? &n->proxy.flags_config : &s->configmap_config;
}

const char *snapshot_proxy_mode(const struct snapshot *s, const struct snap_node *n)
{
	const struct kube_proxy_config *c = snapshot_proxy_config(s, n);

	if (n->proxy.mode && *n->proxy.mode)
		return n->proxy.mode;
	if (n->proxy.log_mode)
		return n->proxy.log_mode;
	/* cmd/kube-proxy/app/server_linux.go platformApplyDefaults: none is iptables */
	return c->known && c->mode ? *c->mode ? c->mode : "iptables" : NULL;
}
