/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast a log of kube-proxy is read, in bounded memory: a made one, of plain lines, structured ones, errors that repeat and failures of
 * iptables-restore with all their rules, fed in pieces again and again until SIZE is reached; then a quarter of that of plain lines alone, and as JSON.
 * Beside it stands what counting its lines by memchr() takes, in the same run.
 *
 *   bench log [SIZE in MiB]
 */
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include <svcdoctor/klog.h>

#include "bench-private.h"

enum { BLOCK = 24 << 20, PIECE = 64 << 10, MIB = 1 << 20 };

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double peak_mib(void)
{
	struct rusage u;

	return getrusage(RUSAGE_SELF, &u) == 0 ? (double)u.ru_maxrss / 1024 : 0;
}

/* The same numbers in each run. */
struct maker {
	struct strbuf b;
	uint64_t random;
	unsigned clock; /* thousandths of a second */
};

static unsigned pick(struct maker *m, unsigned n)
{
	m->random = m->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(m->random >> 33) % n;
}

static void header(struct maker *m, char level, const char *file)
{
	m->clock += pick(m, 40);
	strbuf_addf(&m->b, "%c0613 %02u:%02u:%02u.%03u%03u       1 %s:%u] ", level, m->clock / 3600000 % 24, m->clock / 60000 % 60, m->clock / 1000 % 60,
		    m->clock % 1000, pick(m, 1000), file, 100 + pick(m, 1400));
}

static void plain(struct maker *m)
{
	static const char *const services[] = { "shop/web:http", "shop/cart:grpc", "kube-system/kube-dns:dns-tcp", "monitoring/prometheus-operated:web" };

	header(m, 'I', "proxier.go");
	switch (pick(m, 6)) {
	case 0:
		strbuf_addf(&m->b, "\"Syncing iptables rules\" ipFamily=\"IPv%u\"\n", pick(m, 2) ? 4 : 6);
		break;
	case 1:
		strbuf_addf(&m->b, "\"SyncProxyRules complete\" ipFamily=\"IPv4\" elapsed=\"%u.%ums\"\n", pick(m, 90), pick(m, 1000));
		break;
	case 2:
		strbuf_addf(&m->b, "\"Reloading service iptables data\" ipFamily=\"IPv4\" numServices=%u numEndpoints=%u numFilterChains=6 numFilterRules=%u numNATChains=%u "
				   "numNATRules=%u\n",
			    pick(m, 5000), pick(m, 9000), pick(m, 40), pick(m, 900), pick(m, 9000));
		break;
	case 3:
		strbuf_addf(&m->b, "\"Service updated ports\" service=\"shop/web-%u\" portCount=%u\n", pick(m, 4000), pick(m, 4));
		break;
	case 4:
		strbuf_addf(&m->b, "Setting endpoints for \"%s\" to [10.244.%u.%u:8080 10.244.%u.%u:8080]\n", services[pick(m, 4)], pick(m, 250), pick(m, 250), pick(m, 250),
			    pick(m, 250));
		break;
	default:
		strbuf_addf(&m->b, "\"Adding new service port\" portName=\"%s\" servicePort=\"10.96.%u.%u:80/TCP\"\n", services[pick(m, 4)], pick(m, 250), pick(m, 250));
	}
}

static void failure(struct maker *m)
{
	static const char *const types[] = { "*v1.Service", "*v1.EndpointSlice", "*v1.Node" };
	const char *type = types[pick(m, 3)];

	header(m, 'E', "reflector.go");
	if (pick(m, 2))
		strbuf_addf(&m->b, "\"Failed to watch\" err=\"failed to list %s: Get \\\"https://10.0.0.1:6443/api/v1/services?limit=500&resourceVersion=%u\\\": dial tcp "
				   "10.0.0.1:6443: connect: connection refused\" logger=\"UnhandledError\" reflector=\"k8s.io/client-go/informers/factory.go:160\" type=\"%s\"\n",
			    type, pick(m, 999999), type);
	else
		strbuf_addf(&m->b, "k8s.io/client-go/informers/factory.go:134: Failed to watch %s: failed to list %s: Get \"https://10.0.0.1:6443/api/v1/services?"
				   "resourceVersion=%u\": x509: certificate has expired or is not yet valid: current time 2026-06-13T20:16:33Z is after 2026-06-12T10:00:00Z\n",
			    type, type, pick(m, 999999));
}

static void restore(struct maker *m)
{
	const unsigned rules = 50 + pick(m, 250);

	header(m, 'E', "proxier.go");
	strbuf_addf(&m->b, "\"Failed to execute iptables-restore\" err=<\n\texit status 1: Warning: Extension statistic revision 0 not supported, missing kernel module?\n"
			   "\tiptables-restore: line %u failed\n > ipFamily=\"IPv4\" rules=\"*nat\\n", pick(m, 900));
	for (unsigned i = 0; i < rules; i++)
		strbuf_addf(&m->b, "-A KUBE-SERVICES -m comment --comment \\\"shop/web-%u:http cluster IP\\\" -m tcp -p tcp -d 10.96.%u.%u --dport 80 -j KUBE-SVC-%08X\\n", i,
			    pick(m, 250), pick(m, 250), pick(m, 0x7fffffff));
	strbuf_adds(&m->b, "COMMIT\\n\"\n");
}

static void unknown(struct maker *m)
{
	header(m, 'E', "server.go");
	strbuf_addf(&m->b, "The wheel %u of %c came off at %u\n", pick(m, 9999), 'a' + (int)pick(m, 20), pick(m, 9999));
}

/* --logging-format=json */
static void json(struct maker *m)
{
	m->clock += pick(m, 40);
	strbuf_addf(&m->b, "{\"ts\":1700%09u.%u,\"caller\":\"iptables/proxier.go:%u\",", m->clock, pick(m, 10), 100 + pick(m, 1400));
	if (pick(m, 5))
		strbuf_addf(&m->b, "\"msg\":\"SyncProxyRules complete\",\"v\":2,\"ipFamily\":\"IPv4\",\"elapsed\":\"%u.%ums\"}\n", pick(m, 90), pick(m, 1000));
	else
		strbuf_addf(&m->b, "\"msg\":\"Failed to watch\",\"reflector\":\"k8s.io/client-go/informers/factory.go:160\",\"type\":\"*v1.Service\",\"err\":\"failed to list "
				   "*v1.Service: Get \\\"https://10.0.0.1:6443/api/v1/services?resourceVersion=%u\\\": dial tcp 10.0.0.1:6443: connect: connection refused\"}\n",
			    pick(m, 999999));
}

enum sort { MIXED, PLAIN, JSON };

static void make(struct maker *m, enum sort sort)
{
	while (m->b.len < BLOCK && !m->b.failed) {
		const unsigned what = pick(m, 1000);

		if (sort == JSON)
			json(m);
		else if (sort == PLAIN || what < 850)
			plain(m);
		else if (what < 980)
			failure(m);
		else if (what < 995)
			unknown(m);
		else
			restore(m);
	}
}

static size_t count_lines(const char *s, size_t size)
{
	size_t n = 0;

	for (const char *at = s, *end = s + size; (at = memchr(at, '\n', (size_t)(end - at))); at++)
		n++;
	return n;
}

static int run(const struct strbuf *log, size_t size, const char *name)
{
	CLEANUP(arena_release) struct arena a = { 0 };
	CLEANUP(log_summary_release) struct log_summary s = { 0 };
	const double start_mib = peak_mib();
	double begin = cpu_seconds(), floor, took;
	size_t lines = 0, at = 0;
	struct log_reader *r;

	for (size_t done = 0; done < size; done += log->len)
		lines += count_lines(strbuf_str(log), MIN(log->len, size - done));
	floor = cpu_seconds() - begin;
	r = log_reader_new(&a, LOG_KUBE_PROXY, false);
	if (!r)
		return -1;
	begin = cpu_seconds();
	for (size_t done = 0; done < size;) {
		const size_t n = MIN(MIN((size_t)PIECE, log->len - at), size - done);

		if (log_reader_feed(r, strbuf_str(log) + at, n) < 0) {
			log_reader_free(r);
			return -1;
		}
		done += n;
		at = at + n == log->len ? 0 : at + n;
	}
	if (log_reader_end(r, &s) < 0)
		return -1;
	took = cpu_seconds() - begin;
	printf("%s, %zu MiB in pieces of %u KiB, %zu lines (%.0f bytes each): the aim is 300 MB/s\n", name, size / MIB, PIECE / 1024, s.lines,
	       (double)size / (double)s.lines);
	printf("  %-44s %8.2f s %9.0f MB/s\n", "count lines by memchr (the floor)", floor, (double)size / floor / 1e6);
	printf("  %-44s %8.2f s %9.0f MB/s %7.1f times the floor, %.1f MiB more memory\n", "read the log", took, (double)size / took / 1e6, took / floor,
	       peak_mib() - start_mib);
	printf("  %zu kinds of lines, %zu unknown errors, %zu lines counted by memchr\n", s.hits.len, s.errors_unknown, lines);
	return 0;
}

int bench_log(int argc, char **argv)
{
	static const char *const names[] = { "a log of kube-proxy", "the same of plain lines alone", "the same as JSON" };
	const size_t mib = argc > 0 ? strtoul(argv[0], NULL, 10) : 1024;
	int r = mib && mib <= 1 << 20 ? 0 : -1;

	for (unsigned sort = MIXED; r == 0 && sort <= JSON; sort++) {
		struct maker m = { .b = STRBUF_INIT, .random = 42 };

		make(&m, sort);
		r = m.b.failed ? -1 : run(&m.b, (sort ? (mib + 3) / 4 : mib) * MIB, names[sort]);
		strbuf_release(&m.b);
	}
	if (r < 0)
		fprintf(stderr, "bench: the log cannot be read\n");
	return r < 0;
}
