/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * svcdoctor trace: one packet through the rules of the nodes that it passes, explained. Where it starts is chosen here;
 * how it goes on from node to node is lib/verify's follow.c.
 */
#include <errno.h>
#include <netinet/in.h>

#include <svcdoctor/nat.h>
#include <svcdoctor/verify.h>

#include "cmd.h"

enum { DEFAULT_SPORT = 40000, ICMP_ECHO = 8, ICMP6_ECHO = 128 };

static const struct opt options[] = {
	OPT_ROW_NAMESPACE,
	OPT_ROW_BUNDLE,
	OPT_ROW_FORMAT(choices_format2),
	OPT_ROW_OUTPUT_FILE,
	{ 0, "node", "NODE", "the node where the packet starts (where SRC lives if not given)", OPT_TEXT,
	  offsetof(struct options, node), 0, NULL, COMPLETE_NODE },
	{ 0, "in", "IFACE", "the interface that the packet enters by (the route back to SRC if not given)",
	  OPT_TEXT, offsetof(struct options, in), 0, NULL, COMPLETE_NOTHING },
	{ 0, "mark", "MARK", "the packet's mark, such as 0x4000", OPT_NUMBER, offsetof(struct options, mark),
	  UINT32_MAX, NULL, COMPLETE_NOTHING },
	{ 0, "sport", "PORT", "the source port (40000 if not given)", OPT_NUMBER,
	  offsetof(struct options, sport), 65535, NULL, COMPLETE_NOTHING },
	{ 0, "state", NULL, "also follow what past traffic may have left: affinity, limits", OPT_FLAG,
	  offsetof(struct options, state), 0, NULL, COMPLETE_NOTHING },
	OPT_ROW_COLOR,
	OPT_ROW_QUIET,
	OPT_ROW_VERBOSE,
	OPT_ROW_HELP,
	OPT_ROW_END,
};

/* The packet from one node on. */
struct job {
	const struct snap_node *node;
	struct nat_packet packet;
	struct follow follow;
};
struct jobs {
	struct job *v;
	size_t len;
	ARRAY_OF(struct verify_skipped) skipped; /* what this version cannot run of the nodes that were passed */
	struct arena arena;
};

static void jobs_release(struct jobs *j)
{
	for (size_t i = 0; i < j->len; i++) {
		follow_release(&j->v[i].follow);
	}
	free(j->v);
	array_free(&j->skipped);
	arena_release(&j->arena);
}

/* The node whose own address @a is, among those with rules; NULL when none or several say so. */
static const struct snap_node *node_with_address(const struct context *c, const struct ip_addr *a)
{
	const struct snap_node *hit = NULL;
	if (ip_addr_is_loopback(a)) {
		return NULL;
	}
	for (size_t i = 0; i < c->snapshot.nodes.len; i++) {
		const struct snap_node *n = c->snapshot.nodes.v[i];
		if (n->any_rules && node_is_local(&n->facts, a) == TRI_TRUE) {
			if (hit) {
				return NULL;
			}
			hit = n;
		}
	}
	return hit;
}

static int no_rules(struct context *c, const char *node)
{
	if (node) {
		complain_of(c, "no-rules", true, "there are no rules of node '%s' in what was read", node);
	} else {
		complain_of(c, "no-rules", true, "there are no rules in what was read");
	}
	fprintf(stderr, "add them: on the node, as root: iptables-save > nodes/%s/iptables-save.txt\n",
		node ? node : "NODE");
	return CODE_INCONCLUSIVE;
}

/* Where a pod's address is: what comes from outside is routed there. */
static const char *pod_node(const struct context *c, const struct trace_place *dst)
{
	const struct k8s_node *n = k8s_node_of_ip(&c->snapshot.cluster, &dst->addr);
	return dst->pod ? dst->pod->node : n ? n->meta.name : NULL;
}

/* --node, else where the source lives, else whose address the destination is or whose pod has it, else all. */
static int choose_nodes(struct context *c, const struct trace_place *src, const struct trace_place *dst,
			struct jobs *ret)
{
	const char *name = c->o.node ? c->o.node : src->node_name;
	const struct snap_node *one = name ? snapshot_node(&c->snapshot, name, false)
					   : node_with_address(c, &src->addr);
	one = one || name ? one : node_with_address(c, &dst->addr);
	if (!one && !name) {
		name = pod_node(c, dst);
		one = name ? snapshot_node(&c->snapshot, name, false) : NULL;
	}
	if (name && (!one || !one->any_rules)) {
		return no_rules(c, name);
	}
	ret->v = calloc(c->snapshot.nodes.len + 1, sizeof(*ret->v));
	if (!ret->v) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->snapshot.nodes.len; i++) {
		const struct snap_node *n = c->snapshot.nodes.v[i];
		if (n->any_rules && (!one || n == one)) {
			ret->v[ret->len++].node = n;
		}
	}
	return ret->len == 0 ? no_rules(c, NULL) : 0;
}

static bool sent_by_node(const struct context *c, const struct trace_place *src, const struct snap_node *n)
{
	if (c->o.in) {
		return false;
	}
	if (src->node_name && strcmp(src->node_name, n->name) == 0 && src->on_node) {
		return true;
	}
	return ip_addr_is_loopback(&src->addr) || node_is_local(&n->facts, &src->addr) == TRI_TRUE;
}

/* --in must name a link of one of the nodes, where they are known. */
static int check_interface(struct context *c, const struct jobs *jobs)
{
	if (!c->o.in) {
		return 0;
	}
	for (size_t i = 0; i < jobs->len; i++) {
		const struct node_facts *f = &jobs->v[i].node->facts;
		if (!f->links_known || node_link_by_name(f, c->o.in)) {
			return 0;
		}
	}
	return usage_error(c, "no interface '%s' on %s", c->o.in, jobs->len == 1 ? jobs->v[0].node->name : "any of the nodes");
}

static void fill_packet(const struct context *c, const struct trace_place *src, const struct trace_place *dst,
			struct job *job)
{
	struct nat_packet *p = &job->packet;
	bool ports = dst->proto == IPPROTO_TCP || dst->proto == IPPROTO_UDP || dst->proto == IPPROTO_SCTP;
	uint32_t sport = c->o.sport ? c->o.sport : src->has_port ? src->port : DEFAULT_SPORT;
	/* Who says icmp and means IPv6 means that family's. */
	uint8_t proto = dst->proto == IPPROTO_ICMP && dst->addr.family == AF_INET6 ? IPPROTO_ICMPV6 : dst->proto;
	*p = (struct nat_packet){
		.src = src->addr,
		.dst = dst->addr,
		.proto = proto,
		.sport = ports ? (uint16_t)sport : 0,
		.dport = ports ? dst->port : 0,
		.icmp_type = proto == IPPROTO_ICMP ? ICMP_ECHO : proto == IPPROTO_ICMPV6 ? ICMP6_ECHO : 0,
		.mark = c->o.mark,
		.from_node = sent_by_node(c, src, job->node),
	};
	if (!p->from_node) {
		p->iif = c->o.in ? c->o.in : follow_interface(job->node, &src->addr);
	}
}

/* Did all of the dumps that concern this family arrive whole? */
static bool dumps_whole(const struct snap_node *n, int family)
{
	static const enum snap_dump dumps[2][4] = { { DUMP_NFT4, DUMP_LEGACY4, DUMP_NFT_JSON, DUMP_IPVS },
						    { DUMP_NFT6, DUMP_LEGACY6, DUMP_NFT_JSON, DUMP_IPVS } };
	for (size_t i = 0; i < ARRAY_LEN(dumps[0]); i++) {
		enum known k = n->dumps[dumps[family == AF_INET6][i]];
		if (k != KNOWN && k != NOT_COLLECTED) {
			return false;
		}
	}
	return true;
}

/* The addresses of virtual servers are there, and what becomes of their packets is not known. */
static bool lacks_servers(const struct snap_node *n)
{
	enum known k = n->dumps[DUMP_IPVS];
	return k != KNOWN && k != PARTLY_KNOWN && n->rules.servers.len == 0 &&
	       (k == UNSUPPORTED || node_link_by_name(&n->facts, "kube-ipvs0"));
}

/* Virtual servers that are not known act on packets too, and so do nftables of a family that is not modelled. */
static int note_skipped(struct jobs *j, const struct snap_node *n)
{
	struct verify_skipped s = { n->name, known_code(UNSUPPORTED), NULL, NULL, "rules" };
	if (lacks_servers(n)) {
		s.reason = "the node's IPVS virtual servers are not known (ipvsadm -Sn): the packet may fare otherwise";
		if (array_push(&j->skipped, s) < 0) {
			return -ENOMEM;
		}
	}
	if (!n->nft_not_modelled) {
		return 0;
	}
	s.reason = arena_printf(&j->arena, "the rules of nftables table %s act on packets and are not modelled: the packet may "
				"fare otherwise", n->nft_not_modelled);
	return s.reason ? array_push(&j->skipped, s) : -ENOMEM;
}

/* Does an ending hang on what a dump cannot tell? */
static bool is_open(const struct nat_ending *e)
{
	for (const struct nat_assume *x = e->assumes; x; x = x->next) {
		if (!x->state) {
			return true;
		}
	}
	return e->verdict == NAT_UNDECIDED;
}

static bool leg_is_whole(const struct follow_leg *leg)
{
	for (size_t i = 0; i < leg->result.endings.len; i++) {
		if (is_open(&leg->result.endings.v[i])) {
			return false;
		}
	}
	return dumps_whole(leg->node, leg->packet.dst.family);
}

static bool is_whole(const struct follow *f)
{
	for (size_t i = 0; i < f->stops.len; i++) {
		if (f->stops.v[i]->limit) {
			return false;
		}
	}
	for (size_t i = 0; i < f->legs.len; i++) {
		if (!leg_is_whole(f->legs.v[i])) {
			return false;
		}
	}
	return true;
}

static enum exit_code code_of(const struct jobs *j)
{
	enum exit_code code = j->skipped.len > 0 ? CODE_INCONCLUSIVE : CODE_HEALTHY;
	for (size_t i = 0; i < j->len && code == CODE_HEALTHY; i++) {
		code = is_whole(&j->v[i].follow) ? CODE_HEALTHY : CODE_INCONCLUSIVE;
	}
	return code;
}

/* Every node that a packet has passed, once. */
static int note_all_skipped(struct jobs *j)
{
	struct map seen = { 0 };
	int r = 0;
	for (size_t i = 0; i < j->len; i++) {
		const struct follow *f = &j->v[i].follow;
		for (size_t k = 0; r == 0 && k < f->legs.len; k++) {
			const struct snap_node *n = f->legs.v[k]->node;
			if (!map_gets(&seen, n->name)) {
				r = map_puts(&seen, n->name, f->legs.v[k]);
				r = r == 0 ? note_skipped(j, n) : r;
			}
		}
	}
	map_release(&seen);
	return r;
}

static int print(struct context *c, const struct jobs *j, const struct trace_place *src,
		 const struct trace_place *dst)
{
	const char *const *meaning = trace_meaning(c, src, dst);
	struct trace_report *reports = arena_array(&c->arena, struct trace_report, j->len);
	const struct trace_meant *meant = NULL;
	size_t nmeant = 0;
	if (!meaning || !reports || trace_port_meant(c, src, dst, &meant, &nmeant) < 0) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < j->len; i++) {
		reports[i] = (struct trace_report){
			.follow = &j->v[i].follow,
			.meaning = meaning,
			.meant = meant,
			.nmeant = nmeant,
			.to_service = dst->service && trace_port_of(dst->service, dst) && !trace_node_of_address(c, &dst->addr),
			.skipped = j->skipped.v,
			.nskipped = j->skipped.len,
		};
		if (trace_policies(c, src, &j->v[i].follow, j->v[i].packet.proto, &reports[i].warnings, &reports[i].nwarnings) < 0) {
			return -ENOMEM;
		}
	}
	signals_hold();
	int r = report_trace(&c->report, reports, j->len);
	return r < 0 ? r : (int)code_of(j);
}

static int trace(struct context *c, struct trace_place *src, struct trace_place *dst)
{
	struct jobs jobs CLEANUP(jobs_release) = { 0 };
	int r = choose_nodes(c, src, dst, &jobs);
	if (r != 0) {
		int r2 = r > 0 ? report_nothing(&c->report) : r;
		return r2 < 0 ? r2 : r;
	}
	r = check_interface(c, &jobs);
	if (r != 0) {
		return r;
	}
	struct follow_budget budget = FOLLOW_BUDGET;
	for (size_t i = 0; r == 0 && i < jobs.len; i++) {
		struct job *job = &jobs.v[i];
		fill_packet(c, src, dst, job);
		r = follow_run(&c->snapshot, job->node, &job->packet, c->o.state ? NAT_FOLLOW_STATE : 0,
			       &budget, &job->follow);
	}
	r = r == 0 ? note_all_skipped(&jobs) : r;
	return r < 0 ? r : print(c, &jobs, src, dst);
}

static int run(struct context *c)
{
	struct trace_place src, dst;
	int r = check_node_option(c);
	if (r == 0) {
		r = trace_place_parse(c, c->o.args.v[0], true, &src);
	}
	if (r == 0) {
		r = trace_place_parse(c, c->o.args.v[1], false, &dst);
	}
	if (r == 0) {
		r = trace_places_settle(c, &src, &dst);
	}
	return r != 0 ? r : trace(c, &src, &dst);
}

const struct command command_trace = {
	.name = "trace",
	.arguments = "SRC DST[:PORT][/PROTO]",
	.args_min = 2,
	.args_max = 2,
	.help = "explains the way of one packet through the rules",
	.complete = COMPLETE_PLACE,
	.needs = COMMAND_NEEDS_SNAPSHOT,
	.options = options,
	.run = run,
};
