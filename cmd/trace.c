/* SPDX-License-Identifier: GPL-2.0-or-later */
/* svcdoctor trace: one packet through the rules of the node (or nodes) that it would pass, explained. */
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
	OPT_ROW_NODE,
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

/* One node's share of the work. */
struct job {
	const struct snap_node *node;
	struct nat_packet packet;
	struct nat_result result;
	struct verify_skipped skipped[2]; /* what this version cannot run */
	size_t nskipped;
};
struct jobs {
	struct job *v;
	size_t len;
};

static void jobs_release(struct jobs *j)
{
	for (size_t i = 0; i < j->len; i++) {
		nat_result_release(&j->v[i].result);
	}
	free(j->v);
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

/* --node, else where the source lives, else whose address the destination is, else all. */
static int choose_nodes(struct context *c, const struct trace_place *src, const struct trace_place *dst,
			struct jobs *ret)
{
	const char *name = c->o.node ? c->o.node : src->node_name;
	const struct snap_node *one = name ? snapshot_node(&c->snapshot, name, false)
					   : node_with_address(c, &src->addr);
	one = one || name ? one : node_with_address(c, &dst->addr);
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
			nat_result_init(&ret->v[ret->len].result);
			ret->v[ret->len++].node = n;
		}
	}
	return ret->len == 0 ? no_rules(c, NULL) : 0;
}

/* The interface of the node's route to the source: replies leave by it, so packets are taken to come in by it. */
static const char *interface_towards(const struct snap_node *n, const struct ip_addr *a)
{
	struct node_route_result route = { 0 };
	const struct node_route_query q = { .dst = *a };
	node_route_lookup(&n->facts, &q, &route);
	return route.kind == NR_UNICAST ? route.dev : NULL;
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
	*p = (struct nat_packet){
		.src = src->addr,
		.dst = dst->addr,
		.proto = dst->proto,
		.sport = ports ? (uint16_t)sport : 0,
		.dport = ports ? dst->port : 0,
		.icmp_type = dst->proto == IPPROTO_ICMP	    ? ICMP_ECHO
			     : dst->proto == IPPROTO_ICMPV6 ? ICMP6_ECHO
							    : 0,
		.mark = c->o.mark,
		.from_node = sent_by_node(c, src, job->node),
	};
	if (!p->from_node) {
		p->iif = c->o.in ? c->o.in : interface_towards(job->node, &src->addr);
	}
}

/* Did all of the dumps that concern this family arrive whole? */
static bool dumps_whole(const struct snap_node *n, int family)
{
	static const enum snap_dump dumps[2][2] = { { DUMP_NFT4, DUMP_LEGACY4 },
						    { DUMP_NFT6, DUMP_LEGACY6 } };
	for (size_t i = 0; i < 2; i++) {
		enum known k = n->dumps[dumps[family == AF_INET6][i]];
		if (k != KNOWN && k != NOT_COLLECTED) {
			return false;
		}
	}
	return true;
}

static int walk(struct context *c, struct job *job)
{
	struct verify_place place CLEANUP(verify_place_release) = { 0 };
	struct expect_node self;
	struct nat_node node;
	const struct nat_options o = { .flags = NAT_REPLY | (c->o.state ? NAT_FOLLOW_STATE : 0),
				       .here = verify_is_here,
				       .here_arg = &place };
	int r = verify_expect_node(&c->arena, &c->snapshot, job->node, &self);
	if (r < 0) {
		return r;
	}
	verify_place_init(&place, &c->snapshot, job->node, &self);
	verify_nat_node(&c->snapshot, job->node, &node);
	return nat_walk(&node, &job->packet, &o, &job->result);
}

/* Native nftables rules and IPVS act on packets too, and are not run. */
static void note_skipped(struct job *job)
{
	static const struct {
		enum snap_dump dump;
		const char *reason;
	} rows[] = {
		{ DUMP_NFT_JSON, "the node has native nftables rules, which this version does not run: the "
				 "packet may fare otherwise" },
		{ DUMP_IPVS, "the node has IPVS virtual servers, which this version does not run: the packet "
			     "may fare otherwise" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (job->node->dumps[rows[i].dump] == UNSUPPORTED) {
			job->skipped[job->nskipped++] = (struct verify_skipped){
				job->node->name, known_code(UNSUPPORTED), rows[i].reason, NULL, "rules"
			};
		}
	}
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

static enum exit_code code_of(const struct jobs *j)
{
	for (size_t i = 0; i < j->len; i++) {
		if (j->v[i].nskipped > 0 || !dumps_whole(j->v[i].node, j->v[i].packet.dst.family)) {
			return CODE_INCONCLUSIVE;
		}
		for (size_t k = 0; k < j->v[i].result.endings.len; k++) {
			if (is_open(&j->v[i].result.endings.v[k])) {
				return CODE_INCONCLUSIVE;
			}
		}
	}
	return CODE_HEALTHY;
}

static int print(struct context *c, const struct jobs *j, const struct trace_place *src,
		 const struct trace_place *dst)
{
	const char *const *meaning = trace_meaning(c, src, dst);
	struct trace_report *reports = arena_array(&c->arena, struct trace_report, j->len);
	if (!meaning || !reports) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < j->len; i++) {
		const struct job *job = &j->v[i];
		reports[i] = (struct trace_report){ job->node->name, &job->packet, &job->result,
						    meaning,	     job->skipped, job->nskipped };
	}
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
	for (size_t i = 0; r == 0 && i < jobs.len; i++) {
		fill_packet(c, src, dst, &jobs.v[i]);
		note_skipped(&jobs.v[i]);
		r = walk(c, &jobs.v[i]);
	}
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
	.needs = COMMAND_NEEDS_SNAPSHOT,
	.options = options,
	.run = run,
};
