/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects that are read from their text against the same ones read from a tree: those of the recorded clusters, and those damaged and
 * rewritten at random. Whatever k8s_decode_text takes, k8s_decode must make the same of, without a word.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>

#include <svcdoctor/k8s.h>

#include <cmocka.h>
#include <jansson.h>

#define MUTATIONS 60 /* of each object */

/* ---- an object as words ---- */

static void add(struct strbuf *b, const char *name, const char *value)
{
	strbuf_addf(b, "%s=%s ", name, value ? value : "-");
}

static void add_number(struct strbuf *b, const char *name, long value)
{
	strbuf_addf(b, "%s=%ld ", name, value);
}

static void add_labels(struct strbuf *b, const char *name, const struct k8s_labels *l)
{
	add_number(b, name, (long)l->len);
	for (size_t i = 0; i < l->len; i++)
		add(b, l->v[i].key, l->v[i].value);
}

static void add_ip(struct strbuf *b, const char *name, const struct ip_addr *ip)
{
	char text[IP_ADDR_STRLEN];

	add(b, name, ip->family ? ip_addr_format(ip, text) : NULL);
}

static void add_texts(struct strbuf *b, const char *name, const char *const *v, size_t len)
{
	add_number(b, name, (long)len);
	for (size_t i = 0; i < len; i++)
		add(b, name, v[i]);
}

static void add_meta(struct strbuf *b, const struct k8s_meta *m)
{
	add(b, "name", m->name);
	add(b, "ns", m->ns);
	add(b, "uid", m->uid);
	add(b, "created", m->created);
	add(b, "deleted", m->deleted);
	add_labels(b, "labels", &m->labels);
	add_labels(b, "annotations", &m->annotations);
	add_texts(b, "finalizers", m->finalizers, m->nfinalizers);
	for (size_t i = 0; i < m->nowners; i++) {
		add(b, "owner", m->owners[i].kind);
		add(b, "owner", m->owners[i].name);
		add(b, "owner", m->owners[i].uid);
	}
	add(b, "manager", m->last_manager);
	add(b, "change", m->last_change);
	add_number(b, "order", (long)m->order);
}

static void add_endpoint(struct strbuf *b, const struct k8s_endpoint *e)
{
	add_texts(b, "address", e->addresses, e->naddresses);
	add_ip(b, "ip", &e->ip);
	strbuf_addf(b, "%d %d %d ", e->ready, e->serving, e->terminating);
	add(b, "node", e->node_name);
	add(b, "zone", e->zone);
	add(b, "hostname", e->hostname);
	add(b, "kind", e->target_kind);
	add(b, "ns", e->target_ns);
	add(b, "name", e->target_name);
	add(b, "uid", e->target_uid);
	add_texts(b, "zones", e->zone_hints, e->nzone_hints);
	add_texts(b, "nodes", e->node_hints, e->nnode_hints);
}

static void add_slice(struct strbuf *b, const struct k8s_slice *s)
{
	add_meta(b, &s->meta);
	add(b, "service", s->service);
	add(b, "by", s->managed_by);
	add(b, "type", s->address_type);
	strbuf_addf(b, "%d %d ", s->headless, s->ports_null);
	for (size_t i = 0; i < s->nendpoints; i++)
		add_endpoint(b, &s->endpoints[i]);
	for (size_t i = 0; i < s->nports; i++) {
		add(b, "port", s->ports[i].name);
		strbuf_addf(b, "%u %d %u ", s->ports[i].proto, s->ports[i].has_port, s->ports[i].port);
	}
}

static void add_service(struct strbuf *b, const struct k8s_service *s)
{
	add_meta(b, &s->meta);
	add(b, "type", s->type);
	add_labels(b, "selector", &s->selector);
	for (size_t i = 0; i < s->nports; i++) {
		const struct k8s_service_port *p = &s->ports[i];

		add(b, "port", p->name);
		add(b, "app", p->app_protocol);
		add(b, "target", p->target.name);
		strbuf_addf(b, "%u %u %u %u ", p->proto, p->port, p->target.number, p->node_port);
	}
	for (size_t i = 0; i < s->ncluster_ips; i++)
		add_ip(b, "cluster", &s->cluster_ips[i]);
	for (size_t i = 0; i < s->nexternal_ips; i++)
		add_ip(b, "external", &s->external_ips[i]);
	add(b, "name", s->external_name);
	add_texts(b, "families", s->ip_families, s->nip_families);
	add(b, "policy", s->ip_family_policy);
	strbuf_addf(b, "%zu %d %d %d %d %d %u %u %d ", s->napplied_ports, s->headless, s->external_local, s->internal_local, s->publish_not_ready,
		    s->affinity_client_ip, s->affinity_timeout, s->health_check_node_port, s->allocate_node_ports);
	add(b, "class", s->lb_class);
	add(b, "lb", s->lb_ip);
	add_texts(b, "ranges", s->source_ranges, s->nsource_ranges);
	add(b, "distribution", s->traffic_distribution);
	strbuf_addf(b, "%zu %zu ", s->ningress, s->nconditions);
}

static void add_cluster(struct strbuf *b, const struct k8s_cluster *c)
{
	for (size_t i = 0; i < c->slices.len; i++)
		add_slice(b, c->slices.v[i]);
	for (size_t i = 0; i < c->services.len; i++)
		add_service(b, c->services.v[i]);
	strbuf_addf(b, "%zu %zu %zu", c->slices.len, c->services.len, c->pods.len);
}

/* ---- both ways ---- */

static int from_text(struct strbuf *b, const char *text, const char *kind, const char *version)
{
	struct k8s_cluster c;
	enum k8s_kind k = K8S_KINDS;
	int r;

	k8s_cluster_init(&c);
	c.order = 7;
	r = k8s_decode_text(&c, text, strlen(text), kind, version, &k);
	assert_int_equal(c.order, r == 1 ? 8 : 7);
	if (r == 1)
		assert_int_equal(k, c.slices.len ? K8S_SLICES : K8S_SERVICES);
	else
		assert_int_equal(c.slices.len + c.services.len, 0);
	add_cluster(b, &c);
	k8s_cluster_release(&c);
	return r;
}

static void from_tree(struct strbuf *b, const json_t *o, const char *kind)
{
	struct sd_notes notes = { 0 };
	struct k8s_cluster c;

	k8s_cluster_init(&c);
	c.order = 7;
	assert_true(k8s_decode(&c, o, kind, "f.json", 1, &notes) >= 0);
	assert_int_equal(notes.len, 0);
	add_cluster(b, &c);
	k8s_cluster_release(&c);
	sd_notes_release(&notes);
}

/* Was it taken? */
static bool compare(const char *text, const char *kind, const char *version)
{
	struct strbuf a CLEANUP(strbuf_release) = STRBUF_INIT, b CLEANUP(strbuf_release) = STRBUF_INIT;
	json_t *o = json_loads(text, JSON_ALLOW_NUL, NULL);
	int r;

	if (!o)
		return false; /* a text that was changed so that it is no JSON is nobody's */
	r = from_text(&a, text, kind, version);
	assert_true(r == 0 || r == 1);
	if (r == 1) {
		from_tree(&b, o, kind);
		assert_string_equal(strbuf_str(&a), strbuf_str(&b));
	}
	json_decref(o);
	return r == 1;
}

/* ---- texts ---- */

static uint64_t seed = 20261121;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

/* Something else in place of a value, or behind an opening brace. */
static void mutate(struct strbuf *b, const char *text)
{
	static const char *const values[] = { "null", "true", "5", "0", "70000", "8080.0", "1e3", "-1", "123456789012345678901", "\"\"", "\"x\"", "\"TCP\"",
					      "\"10.0.0.1\"", "\"::1\"", "\"010.1.1.1\"", "\"None\"", "\"a\\u0041\"", "\"\xc3\xa4\"", "[]", "{}", "[{}]",
					      "[\"a\"]", "{\"a\":\"b\"}", "[null]", "\"Local\"", "\"FQDN\"" };
	static const char *const members[] = { "\"name\":\"y\"", "\"ready\":false", "\"port\":null", "\"kind\":\"Pod\"", "\"a\":\"b\"", "\"ports\":null",
					       "\"zone\":\"z\"", "\"x\":{\"y\":[1,true,\"]\"]}", "\"x\":1.5", "\"nodePort\":30000", "\"hints\":{\"forZones\":[{\"name\":\"z\"}]}",
					       "\"topology\":{}", "\"finalizers\":[\"f\"]", "\"deletionTimestamp\":\"now\"", "\"hostname\":\"h\"", "\"targetPort\":\"\"",
					       "\"externalName\":\"e\"", "\"clusterIPs\":[\"\"]", "\"apiVersion\":\"v2\"", "\"conditions\":[]" };
	const size_t len = strlen(text);
	const char *at = text + draw((uint32_t)len);

	if (draw(3) == 0) {
		const char *brace = memchr(at, '{', (size_t)(text + len - at));

		at = brace ? brace + 1 : text + 1;
		strbuf_add(b, text, (size_t)(at - text));
		strbuf_adds(b, members[draw(ARRAY_LEN(members))]);
		strbuf_adds(b, at[strspn(at, " \n")] == '}' ? "" : ",");
	} else {
		const char *colon = memchr(at, ':', (size_t)(text + len - at));

		at = colon ? colon + 1 : text;
		at += strspn(at, " ");
		strbuf_add(b, text, (size_t)(at - text));
		strbuf_adds(b, values[draw(ARRAY_LEN(values))]);
		at += *at == '"' ? 1 + strcspn(at + 1, "\"") + 1 : strcspn(at, ",}]");
	}
	strbuf_adds(b, at);
}

static void compare_mutations(const char *text, const char *kind, const char *version, size_t *taken)
{
	for (int i = 0; i < MUTATIONS; i++) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

		mutate(&b, text);
		if (draw(2)) {
			struct strbuf twice CLEANUP(strbuf_release) = STRBUF_INIT;

			mutate(&twice, strbuf_str(&b));
			*taken += compare(strbuf_str(&twice), kind, version);
		} else {
			*taken += compare(strbuf_str(&b), kind, version);
		}
	}
}

struct totals {
	size_t objects, taken, mutated;
};

static void each(const char *path, struct totals *n)
{
	static const size_t flags[] = { JSON_COMPACT, JSON_INDENT(4) | JSON_SORT_KEYS, 0 };
	json_t *list = json_load_file(path, 0, NULL), *o;
	const bool slices = strstr(path, "slices");
	size_t i;

	assert_non_null(list);
	json_array_foreach(json_object_get(list, "items"), i, o) {
		const char *kind = slices ? "EndpointSlice" : "Service", *version = slices ? "discovery.k8s.io/v1" : "v1";
		bool taken = true;

		for (size_t k = 0; k < ARRAY_LEN(flags); k++) {
			char *text = json_dumps(o, flags[k]);

			assert_non_null(text);
			taken &= compare(text, kind, version);
			compare_mutations(text, kind, version, &n->mutated);
			free(text);
		}
		n->objects++;
		n->taken += taken;
	}
	json_decref(list);
}

static void test_recorded(void **state)
{
	struct totals slices = { 0 }, services = { 0 };

	(void)state;
	each("tests/corpus/lab-iptables-nft/cluster/endpointslices.json", &slices);
	each("tests/corpus/lab-ipvs/cluster/endpointslices.json", &slices);
	each("tests/corpus/lab-iptables-nft/cluster/services.json", &services);
	each("tests/corpus/lab-nftables/cluster/services.json", &services);
	assert_int_equal(slices.taken, slices.objects);
	assert_true(slices.mutated > slices.objects * MUTATIONS / 4);
	assert_true(services.taken > services.objects / 2);
	assert_true(services.mutated > services.objects * MUTATIONS / 8);
}

#define APPLIED "kubectl.kubernetes.io/last-applied-configuration"
#define META "\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"}"

/* kubectl's lists are of no kind, what is in them says it. */
static void test_kinds(void **state)
{
	(void)state;
	assert_true(compare("{\"addressType\":\"IPv4\",\"apiVersion\":\"discovery.k8s.io/v1\",\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]}],\"kind\":\"EndpointSlice\"," META ",\"ports\":[]}", "", "v1"));
	assert_true(compare("{\"apiVersion\":\"v1\",\"kind\":\"Service\"," META ",\"spec\":{\"clusterIPs\":[\"10.0.0.1\"]}}", "", "v1"));
	assert_false(compare("{\"addressType\":\"IPv4\",\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"Slice\"," META "}", "", "v1"));
	assert_false(compare("{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\"," META "}", "", "v1"));
	assert_false(compare("{\"apiVersion\":\"v1\",\"kind\":\"Pod\"," META ",\"x\":\"Service\"}", "", "v1"));
	assert_false(compare("{" META "}", "Pod", "v1"));
	assert_false(compare("[]", "Service", "v1"));
	assert_true(compare("{" META "}", "Service", "v1"));
	assert_true(compare("{" META ",\"x\":{\"\\\"\\/\":\"\\\\\"}}", "Service", "v1"));
	assert_false(compare("{\"metadata\":{\"name\":\"a\\/b\",\"namespace\":\"b\"}}", "Service", "v1"));
	assert_false(compare("{\"metadata\":{\"name\":\"a\",\"annotations\":{\"" APPLIED "\":\"{}\"}}}", "Service", "v1"));
}

/* What this room reads as an old form, or not at all. */
static void test_left(void **state)
{
	static const char *const specs[] = {
		"{\"clusterIP\":\"10.0.0.1\"}", "{\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[]}", "{\"ports\":[{}]}", "{\"ports\":[{\"port\":0}]}",
		"{\"ports\":[{\"port\":80},5]}", "{\"ports\":[{\"port\":80.0}]}", "{\"ports\":[{\"port\":80,\"protocol\":\"tcp\"}]}", "{\"type\":1}",
		"{\"selector\":{\"a\":null}}", "{\"selector\":{\"a\":\"b\",\"a\":\"c\"}}", "{\"clusterIPs\":[\"10.0.0\"]}", "{\"externalIPs\":[]}",
		"{\"clusterIPs\":[\"10.0.0.1\"],\"x\":1e999}", "{\"x\":\"\\u0000\"}", "{\"publishNotReadyAddresses\":\"true\"}", "5", "{\"ports\":{}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT, words CLEANUP(strbuf_release) = STRBUF_INIT;

		strbuf_addf(&b, "{" META ",\"spec\":%s}", specs[i]);
		assert_int_equal(from_text(&words, strbuf_str(&b), "Service", "v1"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_recorded), cmocka_unit_test(test_kinds), cmocka_unit_test(test_left) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
