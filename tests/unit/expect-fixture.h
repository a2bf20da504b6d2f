/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TESTS_UNIT_EXPECT_FIXTURE_H
#define TESTS_UNIT_EXPECT_FIXTURE_H

/* A cluster by hand: one Service with one port and one EndpointSlice, seen from the node n1. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <svcdoctor/expect.h>

#define MAX_EP 8

struct fixture {
	struct arena arena;
	struct k8s_cluster cluster;
	struct k8s_service service;
	struct k8s_service_port port;
	struct ip_addr ips[2], external[2];
	struct k8s_ingress_point ingress[2];
	struct k8s_slice slice;
	struct k8s_slice_port slice_port;
	struct k8s_endpoint ep[MAX_EP];
	struct k8s_slice_group group;
	struct node_facts facts;
	struct k8s_node node_object;
	struct ip_prefix pod_cidr, cluster_cidr;
	struct kube_proxy_config config;
	struct expect_node node;
	struct k8s_label annotation, zone_label;
	struct k8s_slice slice2; /* not in the group until add_slice() */
	struct k8s_slice_port slice2_port;
	struct k8s_endpoint ep2[MAX_EP];
	const char *ranges[3];
	const char *node_ports[2];
	const char *gates[2];
	const char *hints[MAX_EP];
	struct expect_service out;
};

static inline struct ip_addr ip(const char *s)
{
	struct ip_addr a;
	assert_int_equal(ip_addr_parse(s, &a), 0);
	return a;
}

static inline struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p;
	assert_int_equal(ip_prefix_parse(s, &p), 0);
	return p;
}

static inline struct k8s_endpoint *add_ep(struct fixture *f, const char *addr, const char *node, int ready,
				   int serving, int terminating)
{
	struct k8s_endpoint *e = &f->ep[f->slice.nendpoints++];
	*e = (struct k8s_endpoint){
		.ip = ip(addr),
		.ready = ready,
		.serving = serving,
		.terminating = terminating,
		.node_name = node,
	};
	return e;
}

/* The text of one label or annotation, which the fixture keeps. */
static inline void label(struct fixture *f, struct k8s_labels *ret, const char *key, const char *value)
{
	f->annotation = (struct k8s_label){ key, value };
	*ret = (struct k8s_labels){ &f->annotation, 1 };
}

/* A second EndpointSlice of the Service, with one endpoint, for the port "http" with @number. */
static inline struct k8s_endpoint *add_slice(struct fixture *f, uint16_t number, const char *addr, const char *node)
{
	f->slice2_port = f->slice_port;
	f->slice2_port.port = number;
	f->slice2 = f->slice;
	f->slice2.meta.name = "svc-2";
	f->slice2.ports = &f->slice2_port;
	f->slice2.endpoints = f->ep2;
	f->slice2.nendpoints = 1;
	f->ep2[0] = (struct k8s_endpoint){ .ip = ip(addr), .ready = 1, .serving = 1, .terminating = 0, .node_name = node };
	assert_int_equal(array_push(&f->group.v, &f->slice2), 0);
	return &f->ep2[0];
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	assert_non_null(f);
	k8s_cluster_init(&f->cluster);
	node_facts_init(&f->facts);
	f->port = (struct k8s_service_port){ .name = "http", .proto = IPPROTO_TCP, .port = 80 };
	f->ips[0] = ip("10.96.0.5");
	f->service = (struct k8s_service){
		.meta = { .ns = "ns", .name = "svc" },
		.type = "ClusterIP",
		.ports = &f->port,
		.nports = 1,
		.cluster_ips = f->ips,
		.ncluster_ips = 1,
		.affinity_timeout = 10800,
		.source_ranges = f->ranges,
		.ingress = f->ingress,
		.external_ips = f->external,
	};
	f->slice_port = (struct k8s_slice_port){
		.name = "http", .proto = IPPROTO_TCP, .has_port = true, .port = 8080
	};
	f->slice = (struct k8s_slice){
		.meta = { .ns = "ns", .name = "svc-1" },
		.service = "svc",
		.address_type = "IPv4",
		.endpoints = f->ep,
		.ports = &f->slice_port,
		.nports = 1,
	};
	assert_int_equal(array_push(&f->group.v, &f->slice), 0);
	assert_int_equal(map_puts(&f->cluster.slices_by_service, "ns/svc", &f->group), 0);
	f->pod_cidr = prefix("10.244.1.0/24");
	f->cluster_cidr = prefix("10.244.0.0/16");
	f->node_object = (struct k8s_node){ .meta = { .ns = "", .name = "n1" },
					    .pod_cidrs = &f->pod_cidr,
					    .npod_cidrs = 1 };
	f->config = (struct kube_proxy_config){
		.known = true,
		.mode = "iptables",
		.masquerade_all = 0,
		.masquerade_bit = 14,
		.localhost_node_ports = 1,
		.detect_local_mode = "ClusterCIDR",
		.cluster_cidrs = &f->cluster_cidr,
		.ncluster_cidrs = 1,
		.node_port_addresses = f->node_ports,
		.feature_gates = f->gates,
	};
	f->node = (struct expect_node){
		.name = "n1",
		.object = &f->node_object,
		.facts = &f->facts,
		.config = &f->config,
		.minor = -1,
		.ip4 = ip("192.0.2.1"),
	};
	const char *const own[] = { "192.0.2.1", "127.0.0.1", "10.244.1.1", "198.51.100.7" };
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		struct node_address a = { .addr = ip(own[i]),
					  .plen = 24,
					  .ifname = i == 1 ? "lo" : "eth0" };
		assert_int_equal(array_push(&f->facts.addrs, a), 0);
	}
	f->facts.addrs_known = true;
	assert_int_equal(node_facts_finish(&f->facts), 0);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	arena_release(&f->arena);
	array_free(&f->group.v);
	k8s_cluster_release(&f->cluster);
	node_facts_release(&f->facts);
	free(f);
	return 0;
}

static inline const struct expect_port *run(struct fixture *f)
{
	assert_int_equal(expect_service(&f->arena, &f->cluster, &f->service, &f->node, &f->out), 0);
	return f->out.nports ? &f->out.ports[0] : NULL;
}

static inline const struct expect_frontend *frontend(struct fixture *f, enum expect_kind kind)
{
	for (size_t i = 0; i < f->out.nfrontends; i++) {
		if (f->out.frontends[i].kind == kind) {
			return &f->out.frontends[i];
		}
	}
	return NULL;
}

/* "V a,b m": verdict letter, last bytes of the endpoints, and y, n or ? for masquerade. */
static inline const char *ask(struct fixture *f, enum expect_kind kind, enum expect_source source, const char *src,
		       const char *dst)
{
	static char text[200];
	run(f);
	const struct expect_frontend *fe = frontend(f, kind);
	assert_non_null(fe);
	struct ip_addr s = ip(src), d = ip(dst);
	struct expect_answer a;
	expect_answer(&f->node, fe, source, &s, &d, &a);
	assert_non_null(a.why);
	struct strbuf CLEANUP(strbuf_release) b = STRBUF_INIT;
	strbuf_addc(&b, "TRDA-"[a.verdict]);
	for (size_t i = 0; i < a.nendpoints; i++) {
		strbuf_addf(&b, "%c%u", i ? ',' : ' ', a.endpoints[i]->addr.b[3]);
	}
	if (a.verdict == EXPECT_TRANSLATE) {
		strbuf_addf(&b, " %c", "ny?"[a.masquerade]);
	}
	(void)snprintf(text, sizeof(text), "%s", strbuf_str(&b));
	return text;
}

#define POD "10.244.1.9"
#define OUT "203.0.113.9"
#define NODE "192.0.2.1"

/* A ready endpoint here and one on another node. */
static inline void two(struct fixture *f)
{
	add_ep(f, "10.244.1.5", "n1", 1, 1, 0);
	add_ep(f, "10.244.2.6", "n2", 1, 1, 0);
}

#endif
