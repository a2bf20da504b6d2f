/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of the program take on one bundle, apart from process start and output: reading the rules of one node, decoding
 * the cluster's objects, verifying every Service, deciding one packet; and what jansson's json_load_file alone takes on the node's
 * nft-ruleset.json, if it has one. Prints one JSON object; bench.py makes the table.
 *
 *   bench BUNDLE NODE POD POD-INTERFACE OUTSIDE OUTSIDE-INTERFACE
 *   bench log [MIB]			another measure: log.c
 *
 * POD is an address of a pod there, OUTSIDE one of a client; the interfaces are those they come in by. Each time is the best of
 * RUNS, in seconds, by the clock and of the processors; peaks are of the whole process so far, which is why the rules alone come
 * first. Packets are decided as verify decides them, without paths and with what is behind the translation remembered; by one
 * thread, timed by the processor, and by as many as there are processors (two at most), timed by the clock.
 */
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <svcdoctor/nat.h>
#include <svcdoctor/source.h>
#include <svcdoctor/verify.h>

#include "bench-private.h"

enum { RUNS = 3, WALKS = 50000, SPORT = 40000 };

struct span {
	double wall, cpu; /* seconds */
};

struct bench {
	char node_folder[4096], cluster_folder[4096];
	const char *node;
	struct ip_addr pod, outside;
	const char *pod_iif, *outside_iif;
	struct snapshot snapshot;
	struct span json, rules, cluster, finish, verify; /* the best */
	size_t services, frontends, decided, differences;
};

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct span now(void)
{
	return (struct span){ .wall = seconds(CLOCK_MONOTONIC), .cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) };
}

static long peak_kib(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) == 0 ? u.ru_maxrss : 0;
}

/* The time since @start, each clock for itself. */
static void keep_best(struct span *best, const struct span *start)
{
	struct span end = now();
	double wall = end.wall - start->wall, cpu = end.cpu - start->cpu;

	best->wall = best->wall == 0 ? wall : MIN(best->wall, wall);
	best->cpu = best->cpu == 0 ? cpu : MIN(best->cpu, cpu);
}

/* The measure for nftables: its listing as one tree of JSON and nothing else. Freeing it is not counted. */
static int load_json(struct bench *b)
{
	char path[sizeof(b->node_folder) + sizeof("/nft-ruleset.json")];

	(void)snprintf(path, sizeof(path), "%s/nft-ruleset.json", b->node_folder);
	if (access(path, R_OK) < 0)
		return 0;
	struct span start = now();
	json_t *tree = json_load_file(path, 0, NULL);

	keep_best(&b->json, &start);
	json_decref(tree);
	return tree ? 0 : -EINVAL;
}

/* The node's files alone, until its rules can be asked. */
static int read_rules(struct bench *b)
{
	struct snapshot s CLEANUP(snapshot_release);

	snapshot_init(&s);
	struct span start = now();
	int r = bundle_open(&s, b->node_folder);

	if (r >= 0)
		r = snapshot_finish(&s);
	keep_best(&b->rules, &start);
	return r;
}

static int load(struct bench *b)
{
	snapshot_release(&b->snapshot);
	snapshot_init(&b->snapshot);
	int r = bundle_open(&b->snapshot, b->node_folder);
	struct span start = now();

	if (r >= 0)
		r = bundle_open(&b->snapshot, b->cluster_folder);
	keep_best(&b->cluster, &start);
	start = now();
	if (r >= 0)
		r = snapshot_finish(&b->snapshot);
	keep_best(&b->finish, &start);
	return r;
}

static int verify(struct bench *b)
{
	struct verify_report report = { .services = 0 };
	struct verify_options o = { .node = b->node };
	struct span start = now();
	int r = verify_run(&b->snapshot, &o, &report);

	keep_best(&b->verify, &start);
	b->services = report.services;
	b->frontends = report.frontends;
	b->decided = report.decided;
	b->differences = report.differences.len;
	verify_report_release(&report);
	return r;
}

/* ---- one packet at a time ---- */

enum kind { FROM_POD, FROM_NODE, FROM_OUTSIDE, KINDS };
static const char *const kind_names[KINDS] = { "pod", "node", "outside" };

struct count {
	size_t walks, endings, translated;
	double cpu, wall; /* seconds: of one thread, of all side by side */
};

/* The node's first address that is not loopback; family 0: none. */
static struct ip_addr own_address(const struct node_facts *f)
{
	for (size_t i = 0; i < f->addrs.len; i++) {
		const struct ip_addr *a = &f->addrs.v[i].addr;

		if (a->family == AF_INET && a->b[0] != 127)
			return *a;
	}
	return (struct ip_addr){ .family = 0 };
}

/* The packet of @kind to a Service port: ClusterIPs for who is here, node ports for who is not. False: there is none. */
static bool make_packet(const struct bench *b, enum kind kind, const struct ip_addr *own, const struct k8s_service *s,
			const struct k8s_service_port *port, struct nat_packet *ret)
{
	bool outside = kind == FROM_OUTSIDE;

	if (outside ? !port->node_port : s->ncluster_ips == 0 || s->cluster_ips[0].family != AF_INET)
		return false;
	*ret = (struct nat_packet){
		.src = outside ? b->outside : kind == FROM_NODE ? *own : b->pod,
		.dst = outside ? *own : s->cluster_ips[0],
		.proto = port->proto,
		.sport = SPORT,
		.dport = outside ? port->node_port : port->port,
		.from_node = kind == FROM_NODE,
		.iif = outside ? b->outside_iif : kind == FROM_NODE ? NULL : b->pod_iif,
	};
	return true;
}

static int walk_service(const struct bench *b, const struct nat_node *n, enum kind kind, const struct ip_addr *own,
			const struct k8s_service *s, struct nat_tails *tails, struct nat_result *result, struct count *c)
{
	const struct nat_options o = { .flags = NAT_NO_PATH | NAT_AS_WALKED, .tails = tails };
	struct nat_packet p;

	for (size_t i = 0; i < s->nports; i++) {
		if (!make_packet(b, kind, own, s, &s->ports[i], &p))
			continue;
		nat_result_reset(result);
		int r = nat_walk(n, &p, &o, result);

		if (r < 0)
			return r;
		c->walks++;
		c->endings += result->endings.len;
		for (size_t k = 0; k < result->endings.len; k++)
			c->translated += result->endings.v[k].translated;
	}
	return 0;
}

/* Packets of one kind to every @step-th Service from @first on, until there were enough. */
struct job {
	const struct bench *b;
	const struct nat_node *n;
	enum kind kind;
	size_t first, step;
	struct count c;
	int error;
};

static int walk_all(struct job *j, struct nat_tails *tails, struct nat_result *result)
{
	const struct k8s_cluster *cluster = &j->b->snapshot.cluster;
	struct ip_addr own = own_address(j->n->facts);
	size_t before, enough = WALKS / j->step;
	int r = 0;

	do {
		before = j->c.walks;
		for (size_t i = j->first; r >= 0 && i < cluster->services.len && j->c.walks < enough; i += j->step)
			r = walk_service(j->b, j->n, j->kind, &own, cluster->services.v[i], tails, result, &j->c);
	} while (r >= 0 && j->c.walks != before && j->c.walks < enough);
	return r;
}

static void do_job(void *arg, void *part, unsigned who)
{
	struct job *j = part;
	struct nat_result result CLEANUP(nat_result_release);
	struct nat_tails *tails = NULL;

	(void)arg;
	(void)who;
	nat_result_init(&result);
	j->c = (struct count){ .walks = 0 };
	j->error = nat_tails_new(j->n, &tails);
	if (j->error == 0)
		j->error = walk_all(j, tails, &result);
	nat_tails_free(tails);
}

static int decide_alone(struct job *j, struct count *ret)
{
	struct span start = now();

	do_job(NULL, j, 0);
	j->c.cpu = now().cpu - start.cpu;
	if (ret->walks == 0 || j->c.cpu < ret->cpu) {
		j->c.wall = ret->wall;
		*ret = j->c;
	}
	return j->error;
}

static int decide_together(const struct job *like, struct count *ret)
{
	struct job jobs[CREW_SIZE];
	struct span start = now();
	struct crew *crew = crew_start(do_job, NULL);
	double wall;
	int r = 0;

	for (size_t i = 0; i < CREW_SIZE; i++) {
		jobs[i] = *like;
		jobs[i].first = i;
		jobs[i].step = CREW_SIZE;
		if (crew)
			crew_add(crew, &jobs[i]);
		else
			do_job(NULL, &jobs[i], 0);
	}
	crew_finish(crew);
	wall = now().wall - start.wall;
	ret->wall = ret->wall == 0 ? wall : MIN(wall, ret->wall);
	for (size_t i = 0; i < CREW_SIZE; i++)
		r = r < 0 ? r : jobs[i].error;
	return r;
}

static int decide(struct bench *b, struct count count[KINDS])
{
	const struct snap_node *node = snapshot_node(&b->snapshot, b->node, false);
	struct nat_node n;

	if (!node)
		return -ENOENT;
	verify_nat_node(&b->snapshot, node, &n);
	for (unsigned i = 0; i < RUNS * KINDS; i++) {
		struct job j = { .b = b, .n = &n, .kind = (enum kind)(i % KINDS), .first = 0, .step = 1 };
		int r = decide_alone(&j, &count[j.kind]);

		if (r >= 0)
			r = decide_together(&j, &count[j.kind]);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- */

static void print_span(const char *name, const struct span *span)
{
	printf("\"%s\": {\"wall\": %.6f, \"cpu\": %.6f}, ", name, span->wall, span->cpu);
}

static void print(const struct bench *b, long rules_kib, long all_kib, const struct count count[KINDS])
{
	printf("{");
	print_span("json", &b->json);
	print_span("rules", &b->rules);
	print_span("cluster", &b->cluster);
	print_span("finish", &b->finish);
	print_span("verify", &b->verify);
	printf("\"rules_kib\": %ld, \"all_kib\": %ld, \"services\": %zu, \"frontends\": %zu, \"decided\": %zu, \"differences\": %zu, "
	       "\"packets\": {",
	       rules_kib, all_kib, b->services, b->frontends, b->decided, b->differences);
	for (unsigned k = 0; k < KINDS; k++) {
		const struct count *c = &count[k];
		double walks = c->walks ? (double)c->walks : 1;

		printf("%s\"%s\": {\"walks\": %zu, \"ns\": %.1f, \"ns_together\": %.1f, \"endings\": %.3f, \"translated\": %.3f}", k ? ", " : "", kind_names[k],
		       c->walks, c->cpu / walks * 1e9, c->wall / walks * 1e9, (double)c->endings / walks, (double)c->translated / walks);
	}
	printf("}}\n");
}

static int run(struct bench *b)
{
	struct count count[KINDS] = { { .walks = 0 } };
	int r = 0;

	for (unsigned i = 0; i < RUNS && r >= 0; i++)
		r = read_rules(b);
	long rules_kib = peak_kib();

	for (unsigned i = 0; i < RUNS && r >= 0; i++) {
		r = load(b);
		if (r >= 0)
			r = verify(b);
	}
	long all_kib = peak_kib();

	for (unsigned i = 0; i < RUNS && r >= 0; i++) /* last: its tree would be the peak */
		r = load_json(b);
	if (r >= 0)
		r = decide(b, count);
	if (r >= 0)
		print(b, rules_kib, all_kib, count);
	return r;
}

int main(int argc, char **argv)
{
	struct bench b = { .node = argc == 7 ? argv[2] : NULL };

	if (argc > 1 && strcmp(argv[1], "log") == 0)
		return bench_log(argc - 2, argv + 2);
	if (argc != 7 || ip_addr_parse(argv[3], &b.pod) < 0 || ip_addr_parse(argv[5], &b.outside) < 0) {
		fprintf(stderr, "usage: bench BUNDLE NODE POD POD-INTERFACE OUTSIDE OUTSIDE-INTERFACE\n       bench log [MIB]\n");
		return 64;
	}
	b.pod_iif = argv[4];
	b.outside_iif = argv[6];
	(void)snprintf(b.node_folder, sizeof(b.node_folder), "%s/nodes/%s", argv[1], b.node);
	(void)snprintf(b.cluster_folder, sizeof(b.cluster_folder), "%s/cluster", argv[1]);
	snapshot_init(&b.snapshot);
	int r = run(&b);

	snapshot_release(&b.snapshot);
	if (r < 0)
		fprintf(stderr, "bench: %s: %s\n", argv[1], sd_strerror(r));
	return r < 0 ? 1 : 0;
}
