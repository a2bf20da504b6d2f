/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which data plane serves Services on a node, and whether its rules can be judged. Three things are told apart: signs
 * that kube-proxy runs here; that another program is known to serve Services (it was told to, or made what it makes for
 * nothing else); and that a network plugin is there which can, but most often leaves it to kube-proxy: Cilium without
 * kubeProxyReplacement, Antrea without proxyAll, Calico with iptables, kube-router as a firewall (as in k3s).
 */
#include <errno.h>

#include "verify-private.h"

/* ---- kube-proxy's own ---- */

bool vnode_has_rules(const struct snap_node *n, enum rs_family family)
{
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];

		if (t->xtables && t->family == family && strcmp(t->name, "nat") == 0 &&
		    (table_find_chain(t, "KUBE-SERVICES") || table_find_chain(t, "KUBE-NODEPORTS")))
			return true;
	}
	return false;
}

bool verify_has_proxy_rules(const struct snap_node *n)
{
	return vnode_has_rules(n, RS_IP4) || vnode_has_rules(n, RS_IP6);
}

bool verify_has_proxy_table(const struct snap_node *n, bool six)
{
	const struct rs_table *t = ruleset_find_table(&n->rules, BACKEND_NFT, six ? RS_IP6 : RS_IP4, "kube-proxy");

	return t && !t->xtables && t->chain_list.len > 0;
}

size_t verify_proxy_table_rules(const struct snap_node *n, bool six)
{
	const struct rs_table *t = ruleset_find_table(&n->rules, BACKEND_NFT, six ? RS_IP6 : RS_IP4, "kube-proxy");
	size_t rules = 0;

	for (size_t i = 0; t && !t->xtables && i < t->chain_list.len; i++)
		rules += t->chain_list.v[i]->nrules;
	return rules;
}

static const char *label(const struct k8s_pod *p, const char *key)
{
	const char *v = k8s_label_get(&p->meta.labels, key);

	return v ? v : "";
}

/* The DaemonSet of kubeadm and others has k8s-app, static pods (GKE, kops) have the label component or only the name. */
static bool is_proxy_pod(const struct k8s_pod *p)
{
	return strcmp(label(p, "k8s-app"), "kube-proxy") == 0 || strcmp(label(p, "component"), "kube-proxy") == 0 ||
	       (strcmp(p->meta.ns, "kube-system") == 0 && str_starts(p->meta.name, "kube-proxy"));
}

/* The first pod of the node that @is holds for and that is not finished; @node NULL: of any node. */
static const struct k8s_pod *find_pod(const struct snapshot *s, const char *node, bool (*is)(const struct k8s_pod *p))
{
	const struct k8s_cluster *c = &s->cluster;

	for (size_t i = 0; i < c->pods.len; i++) {
		const struct k8s_pod *p = c->pods.v[i];

		if (p->node && (!node || strcmp(p->node, node) == 0) && is(p) && !k8s_pod_terminal(p))
			return p;
	}
	return NULL;
}

/* By the addresses too: ip-link.json may be missing. */
static bool has_link(const struct snap_node *n, const char *name)
{
	for (size_t i = 0; i < n->facts.links.len; i++)
		if (n->facts.links.v[i].name && strcmp(n->facts.links.v[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < n->facts.addrs.len; i++)
		if (n->facts.addrs.v[i].ifname && strcmp(n->facts.addrs.v[i].ifname, name) == 0)
			return true;
	return false;
}

const char *verify_proxy_sign(const struct snapshot *s, const struct snap_node *n)
{
	if (find_pod(s, n->name, is_proxy_pod))
		return "its pod";
	if (n->proxy.mode)
		return "kube-proxy-mode.txt";
	if (n->proxy.healthz_known)
		return "kube-proxy-healthz.json";
	if (n->proxy.config.known)
		return "kube-proxy-configz.json";
	return n->proxy.has_log ? "kube-proxy.log" : NULL;
}

/* Rules, sets or tables of kube-proxy in any mode. */
static bool has_anything_of_proxy(const struct snap_node *n)
{
	return verify_has_proxy_rules(n) || verify_has_proxy_table(n, false) || verify_has_proxy_table(n, true) || has_link(n, "kube-ipvs0");
}

/* ---- its mode ---- */

static const char *const mode_names[] = { [MODE_IPTABLES] = "iptables", [MODE_NFTABLES] = "nftables", [MODE_IPVS] = "ipvs" };

const char *verify_mode_name(enum expect_mode m)
{
	return mode_names[m];
}

bool vset_is(const char *name, const char *what)
{
	const size_t six = 7, head = 5, len = strlen(name); /* "KUBE-6-", "KUBE-" */

	if (strcmp(name, what) == 0)
		return true;
	return strncmp(name, "KUBE-6-", six) == 0 && (strcmp(name + six, what + head) == 0 ||
						      (len == 31 && strncmp(name + six, what + head, len - six) == 0));
}

/* pkg/proxy/ipvs/proxier.go iptablesChains has what iptables mode does not make. */
bool vnode_has_ipvs_chains(const struct snap_node *n)
{
	for (size_t i = 0; i < n->rules.tables.len; i++)
		if (table_find_chain(n->rules.tables.v[i], "KUBE-NODE-PORT") || table_find_chain(n->rules.tables.v[i], "KUBE-IPVS-FILTER"))
			return true;
	return false;
}

/* Entries of Services in KUBE-SERVICES: of iptables mode. */
static bool has_entries(const struct snap_node *n)
{
	for (size_t i = 0; i < n->rules.tables.len; i++) {
		const struct rs_table *t = n->rules.tables.v[i];
		const struct rs_chain *c = t->xtables ? table_find_chain(t, "KUBE-SERVICES") : NULL, *to;

		for (uint32_t k = 0; c && k < c->nrules; k++)
			if ((to = rule_chain(c->rules[k])) && (str_starts(to->name, "KUBE-SVC-") || str_starts(to->name, "KUBE-SVL-")))
				return true;
	}
	return false;
}

static enum expect_mode mode_by_rules(const struct snap_node *n)
{
	if (has_entries(n))
		return MODE_IPTABLES;
	if (vnode_has_ipvs_chains(n))
		return MODE_IPVS;
	return verify_has_proxy_table(n, false) || verify_has_proxy_table(n, true) ? MODE_NFTABLES : MODE_IPTABLES;
}

/* -1: a mode that is not known here (userspace). */
static int told_mode(const struct snapshot *s, const struct snap_node *n)
{
	const char *told = snapshot_proxy_mode(s, n);

	for (size_t i = 0; told && i < ARRAY_LEN(mode_names); i++)
		if (strcmp(told, mode_names[i]) == 0)
			return (int)i;
	return told ? -1 : (int)mode_by_rules(n);
}

enum expect_mode verify_mode(const struct snapshot *s, const struct snap_node *n)
{
	int mode = told_mode(s, n);

	return mode < 0 ? MODE_IPTABLES : (enum expect_mode)mode;
}

/* ---- others ---- */

static bool is_cilium_agent(const struct k8s_pod *p)
{
	return strcmp(label(p, "k8s-app"), "cilium") == 0;
}

static bool is_antrea_agent(const struct k8s_pod *p)
{
	return strcmp(label(p, "component"), "antrea-agent") == 0 || str_starts(p->meta.name, "antrea-agent-");
}

static bool is_ovn_node(const struct k8s_pod *p)
{
	return strcmp(label(p, "app"), "ovnkube-node") == 0 || str_starts(p->meta.name, "ovnkube-node-");
}

static bool is_calico_node(const struct k8s_pod *p)
{
	return strcmp(label(p, "k8s-app"), "calico-node") == 0;
}

static bool is_kube_router(const struct k8s_pod *p)
{
	return strcmp(label(p, "k8s-app"), "kube-router") == 0;
}

/*
 * A chain of that prefix that a built-in chain leads to and, where @text is given, that has a rule with it. Chains that
 * nothing leads to are leftovers and tell nothing; and kube-proxy's own are too many to look at each.
 */
static bool leads_to(const struct snap_node *n, const char *prefix, const char *text)
{
	static const char *const built_in[] = { "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING" };

	for (size_t i = 0; i < n->rules.tables.len * ARRAY_LEN(built_in); i++) {
		const struct rs_table *t = n->rules.tables.v[i / ARRAY_LEN(built_in)];
		const struct rs_chain *c = table_find_chain(t, built_in[i % ARRAY_LEN(built_in)]);

		for (uint32_t k = 0; c && k < c->nrules; k++) {
			const struct rs_chain *to = rule_chain(c->rules[k]);

			if (!to || !str_starts(to->name, prefix))
				continue;
			for (uint32_t r = 0; text && r < to->nrules; r++)
				if (memmem(to->rules[r]->text, to->rules[r]->text_len, text, strlen(text)))
					return true;
			if (!text)
				return true;
		}
	}
	return false;
}

static const char *config_value(const struct snapshot *s, const char *map, const char *key)
{
	for (size_t i = 0; i < s->cluster.configmaps.len; i++) {
		const struct k8s_configmap *m = s->cluster.configmaps.v[i];
		const char *value = str_starts(m->meta.name, map) ? k8s_configmap_get(m, key) : NULL;

		if (value)
			return value;
	}
	return NULL;
}

/* In YAML text: a line "proxyAll: true", at any depth and not in a comment. */
static bool yaml_says(const char *yaml, const char *line)
{
	while (yaml && *yaml) {
		size_t n = strcspn(yaml, "\n"), skip = strspn(yaml, " \t"), len = strlen(line);

		if (skip + len <= n && strncmp(yaml + skip, line, len) == 0 && strspn(yaml + skip + len, " \t\r") >= n - skip - len)
			return true;
		yaml += n + (yaml[n] == '\n');
	}
	return false;
}

/*
 * What a ConfigMap says is true of the nodes that have the program. "partial", "probe" and "disabled" (until 1.14) leave
 * Services to kube-proxy, in part at least.
 */
static const char *cilium_serves(const struct snapshot *s, const struct snap_node *n)
{
	const char *v = config_value(s, "cilium-config", "kube-proxy-replacement");

	if (!v || (strcmp(v, "true") != 0 && strcmp(v, "strict") != 0))
		return NULL;
	return find_pod(s, n->name, is_cilium_agent) || leads_to(n, "CILIUM_", NULL) || has_link(n, "cilium_host") ?
	       "kube-proxy-replacement in the ConfigMap cilium-config" : NULL;
}

/* A pair of links that Felix makes in eBPF mode only. */
static const char *calico_serves(const struct snapshot *s, const struct snap_node *n)
{
	(void)s;
	return has_link(n, "bpfin.cali") || has_link(n, "bpfout.cali") ? "the link bpfin.cali" : NULL;
}

/* It has no mode in which kube-proxy serves. */
static const char *ovn_serves(const struct snapshot *s, const struct snap_node *n)
{
	if (has_link(n, "ovn-k8s-mp0"))
		return "the link ovn-k8s-mp0";
	if (leads_to(n, "OVN-KUBE-", NULL))
		return "the chains OVN-KUBE-";
	return find_pod(s, n->name, is_ovn_node) ? "the pod ovnkube-node" : NULL;
}

static const char *antrea_serves(const struct snapshot *s, const struct snap_node *n)
{
	if (leads_to(n, "ANTREA-", "ANTREA-NODEPORT-IP"))
		return "the rules for ANTREA-NODEPORT-IP";
	if (!yaml_says(config_value(s, "antrea-config", "antrea-agent.conf"), "proxyAll: true"))
		return NULL;
	return find_pod(s, n->name, is_antrea_agent) || leads_to(n, "ANTREA-", NULL) || has_link(n, "antrea-gw0") ?
	       "proxyAll in the ConfigMap antrea-config" : NULL;
}

/* Its firewall (KUBE-ROUTER-INPUT, -FORWARD, -OUTPUT) is another controller, and all of it that k3s has. */
static const char *router_serves(const struct snapshot *s, const struct snap_node *n)
{
	(void)s;
	if (has_link(n, "kube-dummy-if"))
		return "the link kube-dummy-if";
	return leads_to(n, "KUBE-ROUTER-SERVICES", NULL) ? "the chain KUBE-ROUTER-SERVICES" : NULL;
}

static const struct {
	const char *name;
	const char *command;
	bool (*is_agent)(const struct k8s_pod *p);
	const char *chains; /* prefix of what it makes as a network plugin, whoever serves Services */
	const char *link;   /* the same; NULL: none that is known */
	const char *(*serves)(const struct snapshot *s, const struct snap_node *n);
	bool beside_proxy;  /* it is a plugin that mostly runs beside kube-proxy: that it is there says nothing of Services */
} planes[] = {
	{ "Cilium", "kubectl -n kube-system exec ds/cilium -- cilium-dbg service list", is_cilium_agent, "CILIUM_", "cilium_host", cilium_serves, false },
	{ "Calico eBPF", "kubectl -n calico-system exec ds/calico-node -c calico-node -- calico-node -bpf nat dump", is_calico_node, "cali-", NULL,
	  calico_serves, true },
	{ "OVN-Kubernetes", "kubectl -n ovn-kubernetes exec ds/ovnkube-node -c nb-ovsdb -- ovn-nbctl lb-list", is_ovn_node, "OVN-KUBE-", "ovn-k8s-mp0",
	  ovn_serves, false },
	{ "Antrea", "kubectl -n kube-system exec ds/antrea-agent -c antrea-agent -- antctl get ovsflows -T ServiceLB", is_antrea_agent, "ANTREA-",
	  "antrea-gw0", antrea_serves, false },
	{ "kube-router", "kubectl -n kube-system exec ds/kube-router -- ipvsadm -ln", is_kube_router, "KUBE-ROUTER-", "kube-bridge", router_serves, false },
};

/* Is that program on the node, whatever it does there? What shows it, or NULL. */
static const char *present(const struct snapshot *s, const struct snap_node *n, size_t i)
{
	if (find_pod(s, n->name, planes[i].is_agent))
		return "its pod on this node";
	if (leads_to(n, planes[i].chains, NULL))
		return "its chains";
	return planes[i].link && has_link(n, planes[i].link) ? "its link" : NULL;
}

static void tell(const struct snapshot *s, const struct snap_node *n, size_t i, const char *sign, struct verify_plane *ret)
{
	*ret = (struct verify_plane){ planes[i].name, sign, planes[i].command, find_pod(s, n->name, planes[i].is_agent) };
}

bool verify_plane_serves(const struct snapshot *s, const struct snap_node *n, struct verify_plane *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(planes); i++) {
		const char *sign = planes[i].serves(s, n);

		if (!sign)
			continue;
		tell(s, n, i, sign, ret);
		return true;
	}
	return false;
}

bool verify_plane_is_other(const struct snapshot *s, const struct snap_node *n, struct verify_plane *ret)
{
	bool runs = verify_proxy_sign(s, n), written = has_anything_of_proxy(n);

	/* Calico's eBPF clears away what a kube-proxy that still runs writes: FelixConfiguration bpfKubeProxyIptablesCleanupEnabled. */
	if ((!runs || !written) && verify_plane_serves(s, n, ret))
		return true;
	if (runs || written)
		return false;
	/* A node that lost its kube-proxy, in a cluster that has it, looks like this too: no guess there. */
	if (find_pod(s, NULL, is_proxy_pod))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(planes); i++) {
		const char *sign = planes[i].beside_proxy ? NULL : present(s, n, i);

		if (!sign)
			continue;
		tell(s, n, i, sign, ret);
		return true;
	}
	return false;
}

const char *verify_other_plane(const struct snapshot *s, const struct snap_node *n)
{
	struct verify_plane p;

	return verify_plane_is_other(s, n, &p) ? p.name : NULL;
}

/* ---- can the node be judged? ---- */

static int refuse(struct verify_skipped *ret, const char *node, const char *code, const char *reason, const char *needs)
{
	*ret = (struct verify_skipped){ node, code, reason, needs, "rules" };
	return reason ? 0 : -ENOMEM;
}

static bool is_readable(enum known k)
{
	return k == KNOWN || k == PARTLY_KNOWN;
}

static bool is_bad(enum known k, bool partly)
{
	return partly ? k == PARTLY_KNOWN : !is_readable(k) && k != NOT_COLLECTED;
}

const char *vnode_bad_dump(const struct snap_node *n, enum expect_mode mode, unsigned v6, bool partly)
{
	const enum snap_dump xtables[] = { v6 ? DUMP_NFT6 : DUMP_NFT4, v6 ? DUMP_LEGACY6 : DUMP_LEGACY4 };
	static const enum snap_dump nftables[] = { DUMP_NFT_JSON }, ipvs[] = { DUMP_IPVS, DUMP_IPSET };
	const enum snap_dump *own = mode == MODE_NFTABLES ? nftables : ipvs;
	const size_t nown = mode == MODE_NFTABLES ? 1 : mode == MODE_IPVS ? 2 : 0;

	/* In nftables mode the xtables dumps are those of others. */
	for (size_t i = 0; i < nown; i++)
		if (is_bad(n->dumps[own[i]], partly))
			return snap_dump_name(own[i]);
	for (size_t i = 0; i < ARRAY_LEN(xtables) && (mode != MODE_NFTABLES || partly); i++)
		if (is_bad(n->dumps[xtables[i]], partly))
			return snap_dump_name(xtables[i]);
	return NULL;
}

bool vnode_not_dumped(const struct snap_node *n, unsigned v6)
{
	bool nft = n->dumps[v6 ? DUMP_NFT6 : DUMP_NFT4] != NOT_COLLECTED || is_readable(n->dumps[DUMP_NFT_JSON]);

	return !vnode_has_rules(n, v6 ? RS_IP6 : RS_IP4) && (!nft || n->dumps[v6 ? DUMP_LEGACY6 : DUMP_LEGACY4] == NOT_COLLECTED);
}

static bool objects_known(const struct snapshot *s)
{
	enum known a = s->kinds[K8S_SERVICES], b = s->kinds[K8S_SLICES];

	return (a == KNOWN || a == PARTLY_KNOWN) && (b == KNOWN || b == PARTLY_KNOWN);
}

/* The dump without which nothing that this mode does is known. */
static int admit_dump(const struct snap_node *n, struct arena *arena, enum expect_mode mode, struct verify_skipped *ret)
{
	const enum snap_dump d = mode == MODE_NFTABLES ? DUMP_NFT_JSON : DUMP_IPVS;
	const char *needs = mode == MODE_NFTABLES ? "nft -j list ruleset > nft-ruleset.json on the node" : "ipvsadm -Sn > ipvsadm-save.txt on the node";
	const enum known k = n->dumps[d];

	if (is_readable(k))
		return 1;
	return refuse(ret, n->name, known_code(k),
		      arena_printf(arena, k == NOT_COLLECTED ? "kube-proxy runs in %s mode here, and there is no dump of %s" :
				   "kube-proxy runs in %s mode here, and the dump of %s could not be read", mode_names[mode],
				   mode == MODE_NFTABLES ? "nft's ruleset" : "the virtual servers"), needs);
}

/* Of a kernel everything was asked, here or by `collect`: what is missing has its reason. 1: nothing is. */
static int admit_live(const struct snap_node *n, struct arena *arena, enum expect_mode mode, struct verify_skipped *ret)
{
	for (int d = 0; d < DUMP_KINDS; d++) {
		const bool xtables = d <= DUMP_LEGACY6;
		/* the mode itself may be told by what nft shows alone */
		const bool own = d == DUMP_NFT_JSON || (mode != MODE_NFTABLES && xtables) || (mode == MODE_IPVS && d == DUMP_IPVS);

		if (own && n->dump_why[d] && !is_readable(n->dumps[d]))
			return refuse(ret, n->name, known_code(n->dumps[d]),
				      arena_printf(arena, "the %s rules of %s cannot be judged: %s", snap_dump_name((enum snap_dump)d),
						   n->live ? "this machine" : "the node", n->dump_why[d]), n->dump_needs[d]);
	}
	return 1;
}

static int admit_xtables(const struct snap_node *n, struct arena *arena, struct verify_skipped *ret)
{
	const char *bad = vnode_bad_dump(n, MODE_IPTABLES, 0, false);

	if (!n->any_rules)
		return refuse(ret, n->name, "not-collected", "no dump of the node's rules",
			      "iptables-save > iptables-save.txt on the node");
	if (bad)
		return refuse(ret, n->name, "unreadable",
			      arena_printf(arena, "the %s dump could not be read: what the node does with packets is not known", bad),
			      arena_printf(arena, "a readable %s-save.txt", bad));
	if (vnode_not_dumped(n, 0) && vnode_not_dumped(n, 1))
		return refuse(ret, n->name, "not-collected", "the dumps that are there hold no rules of kube-proxy, and the other backend was "
			      "not dumped", "iptables-nft-save and iptables-legacy-save of the node");
	return 1;
}

int verify_admit(const struct snapshot *s, const struct snap_node *n, struct arena *arena, struct verify_skipped *ret)
{
	const int mode = told_mode(s, n);
	struct verify_plane other;
	int r;

	if (verify_plane_is_other(s, n, &other))
		return refuse(ret, n->name, "unsupported",
			      arena_printf(arena, "%s is the data plane of this node, not kube-proxy (%s); it is asked by: %s", other.name, other.sign,
					   other.command), "");
	if (!s->services_from_rules && !objects_known(s))
		return refuse(ret, n->name, "not-collected", "the cluster's Services and EndpointSlices are not both known: what must be true "
			      "of them cannot be told", "kubectl get svc,endpointslices,pods,nodes -A -o json > cluster.json");
	if (mode < 0)
		return refuse(ret, n->name, "unsupported",
			      arena_printf(arena, "kube-proxy runs in %s mode, which is not judged", snapshot_proxy_mode(s, n)), "");
	r = n->live || n->tried ? admit_live(n, arena, (enum expect_mode)mode, ret) : 1;
	if (r <= 0)
		return r;
	r = mode == MODE_IPTABLES ? admit_xtables(n, arena, ret) : admit_dump(n, arena, (enum expect_mode)mode, ret);
	if (r <= 0)
		return r;
	if (!(mode == MODE_IPTABLES ? verify_has_proxy_rules(n) : has_anything_of_proxy(n)) && !verify_proxy_sign(s, n))
		return refuse(ret, n->name, "unsupported", "no rule of kube-proxy and no sign that it runs here: another data plane "
			      "may serve Services", "");
	return 1;
}
