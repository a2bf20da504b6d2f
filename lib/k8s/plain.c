/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EndpointSlices and Services straight from their text: of all a large cluster says they are most, and a tree of each takes longer than all else
 * that is done with it. Here is read what is written plainly, as the API server writes it. Whatever needs a closer look (an escape in what is
 * used, characters beyond ASCII, a member of another type, one that stands twice or is rare, an address that is none) is left to service.c and
 * object.c, which make of it what this would, or say what is wrong: nothing is recorded here. tests/unit/test_k8s_plain.c holds both
 * against each other.
 */

#include <errno.h>

#include "plain-private.h"

#define ANNOTATION_MAX 1024 /* as in object.c */
#define DIGITS_MAX 18u	    /* of a number that json_tree takes without asking jansson */
#define KIND_WITHIN 256u

static const char slice_group[] = "discovery.k8s.io/";

/* ---- steps through the text ---- */

static void *out_of_memory(struct text *t)
{
	t->plain = false;
	t->no_memory = true;
	return NULL;
}

static void skip_space(struct text *t)
{
	while (*t->p == ' ' || *t->p == '\n' || *t->p == '\r' || *t->p == '\t')
		t->p++;
}

/* The closing quote. What jansson may object to is not plain. */
static const char *find_quote(struct text *t, const char *p)
{
	for (; *p != '"'; p++) {
		if (*p == '\\') {
			p++;
			t->plain &= *p != 'u';
		}
	}
	return p;
}

struct word plain_step_string(struct text *t)
{
	const char *from = t->p + 1, *to = t->escapes ? find_quote(t, from) : memchr(from, '"', (size_t)(t->end - from));

	t->p = to + 1;
	return (struct word){ from, (size_t)(to - from) };
}

/* jansson refuses some numbers, and says so. */
static void step_number(struct text *t)
{
	const char *from = t->p;

	while ((*t->p >= '0' && *t->p <= '9') || *t->p == '-')
		t->p++;
	t->plain &= (size_t)(t->p - from) <= DIGITS_MAX && *t->p != '.' && *t->p != 'e' && *t->p != 'E';
}

/* Steps over any value. */
static void skip(struct text *t)
{
	unsigned depth = 0;

	do {
		const char ch = *t->p;

		if (ch == '"') {
			(void)plain_step_string(t);
		} else if ((ch >= '0' && ch <= '9') || ch == '-') {
			step_number(t);
		} else if (ch >= 'a' && ch <= 'z') {
			while (*t->p >= 'a' && *t->p <= 'z')
				t->p++;
		} else {
			depth += ch == '{' || ch == '[';
			depth -= ch == '}' || ch == ']';
			t->p++;
		}
	} while (t->plain && depth > 0);
}

/* The cursor stands on a value. False: it is null, or of another type, and not plain then. */
static bool is_value(struct text *t, char first)
{
	if (*t->p == first)
		return true;
	t->plain &= *t->p == 'n';
	if (t->plain)
		skip(t);
	return false;
}

bool plain_enter(struct text *t, char first)
{
	if (!is_value(t, first))
		return false;
	t->p++;
	return true;
}

bool plain_has_more(struct text *t)
{
	if (!t->plain)
		return false;
	skip_space(t);
	if (*t->p == ',') {
		t->p++;
		skip_space(t);
	}
	if (*t->p != '}' && *t->p != ']')
		return true;
	t->p++;
	return false;
}

/* A member's name; the cursor goes to its value. */
static struct word step_name(struct text *t)
{
	const struct word w = plain_step_string(t);

	skip_space(t);
	t->p++;
	skip_space(t);
	return w;
}

static int find_name(const struct members *m, const struct word *w)
{
	for (int i = 0; m->names[i]; i++)
		if (strncmp(m->names[i], w->s, w->len) == 0 && !m->names[i][w->len])
			return i;
	return -1;
}

bool plain_next_member(struct text *t, struct members *m)
{
	while (plain_has_more(t)) {
		const struct word w = step_name(t);

		m->at = find_name(m, &w);
		if (m->at >= 0) {
			t->plain &= !(m->seen & 1u << m->at);
			m->seen |= 1u << m->at;
			return t->plain;
		}
		skip(t);
	}
	return false;
}

/* ---- values ---- */

bool plain_is_word(const struct word *w, const char *what)
{
	return strlen(what) == w->len && memcmp(what, w->s, w->len) == 0;
}

static bool is_used(struct text *t, const struct word *w)
{
	t->plain &= !t->escapes || !memchr(w->s, '\\', w->len);
	return t->plain;
}

static const char *copy_word(struct text *t, const struct word *w)
{
	const char *s;

	if (!is_used(t, w))
		return NULL;
	s = arena_strndup(&t->c->arena, w->s, w->len);

	return s ? s : out_of_memory(t);
}

const char *plain_intern_word(struct text *t, const struct word *w, const char *before)
{
	char *s;

	if (!is_used(t, w))
		return NULL;
	if (before && strncmp(before, w->s, w->len) == 0 && !before[w->len])
		return before;
	s = map_get(&t->c->strings, w->s, w->len);
	if (s)
		return s;
	s = arena_strndup(&t->c->arena, w->s, w->len);
	if (!s || map_put(&t->c->strings, s, w->len, s) < 0)
		return out_of_memory(t);
	return s;
}

const char *plain_get_name(struct text *t, const char *before)
{
	struct word w;

	if (!is_value(t, '"'))
		return NULL;
	w = plain_step_string(t);
	return plain_intern_word(t, &w, before);
}

/* The same for what hardly comes twice. */
static const char *get_text(struct text *t)
{
	struct word w;

	if (!is_value(t, '"'))
		return NULL;
	w = plain_step_string(t);
	return copy_word(t, &w);
}

struct word plain_get_word(struct text *t)
{
	return is_value(t, '"') ? plain_step_string(t) : (struct word){ "", 0 };
}

int plain_get_bool(struct text *t)
{
	const int r = *t->p == 't' ? 1 : *t->p == 'f' ? 0 : -1;

	t->plain &= r >= 0 || *t->p == 'n';
	if (t->plain)
		skip(t);
	return r;
}

void *plain_keep_array(struct text *t, const void *from, size_t len, size_t elem_size)
{
	void *v = len > 0 ? arena_alloc(&t->c->arena, len * elem_size) : NULL;

	if (len > 0 && !v)
		return out_of_memory(t);
	return v ? memcpy(v, from, len * elem_size) : NULL;
}

/* ---- metadata ---- */

struct k8s_labels plain_get_labels(struct text *t, bool copies)
{
	struct k8s_label v[LIST_MAX];
	size_t len = 0;

	for (bool any = plain_enter(t, '{'); any && plain_has_more(t) && t->plain;) {
		const struct word key = step_name(t);
		struct word value;

		t->plain &= len < LIST_MAX && *t->p == '"' && !(copies && plain_is_word(&key, APPLIED_ANNOTATION));
		if (!t->plain)
			break;
		v[len].key = plain_intern_word(t, &key, NULL);
		for (size_t i = 0; i < len; i++)
			t->plain &= v[i].key != v[len].key;
		value = plain_step_string(t);
		if (copies && (!is_used(t, &value) || value.len > ANNOTATION_MAX))
			continue;
		v[len].value = copies && value.len > 40 ? copy_word(t, &value) : plain_intern_word(t, &value, NULL);
		len++;
	}
	if (!t->plain)
		return (struct k8s_labels){ 0 };
	return (struct k8s_labels){ plain_keep_array(t, v, len, sizeof(*v)), len };
}

static void get_owners(struct text *t, struct k8s_meta *m)
{
	static const char *const names[] = { "kind", "name", "uid", NULL };
	struct k8s_owner v[LIST_MAX];
	size_t len = 0;

	for (bool any = plain_enter(t, '['); any && plain_has_more(t) && t->plain; len++) {
		struct members o = { .names = names };

		t->plain &= len < LIST_MAX && *t->p == '{';
		if (!t->plain)
			break;
		v[len] = (struct k8s_owner){ 0 };
		t->p++;
		while (plain_next_member(t, &o)) {
			if (o.at == 0)
				v[len].kind = plain_get_name(t, NULL);
			else if (o.at == 1)
				v[len].name = plain_get_name(t, NULL);
			else
				v[len].uid = get_text(t);
		}
	}
	m->owners = t->plain ? plain_keep_array(t, v, len, sizeof(*v)) : NULL;
	m->nowners = m->owners ? len : 0;
}

static int compare_words(const struct word *a, const struct word *b)
{
	const int r = memcmp(a->s, b->s, MIN(a->len, b->len));

	return r ? r : (a->len > b->len) - (a->len < b->len);
}

/* As decode_last_change in object.c. */
static void get_last_change(struct text *t, struct k8s_meta *m)
{
	static const char *const names[] = { "manager", "subresource", "time", NULL };
	struct word newest[3] = { 0 };

	for (bool any = plain_enter(t, '['); any && plain_has_more(t) && t->plain;) {
		struct word v[3] = { 0 };
		struct members o = { .names = names };

		t->plain &= *t->p == '{';
		if (!t->plain)
			break;
		t->p++;
		while (plain_next_member(t, &o)) {
			t->plain &= *t->p == '"';
			if (t->plain)
				v[o.at] = plain_step_string(t);
			if (v[o.at].s)
				(void)is_used(t, &v[o.at]);
		}
		if (v[2].s && !(v[1].s && plain_is_word(&v[1], "status")) && (!newest[2].s || compare_words(&v[2], &newest[2]) >= 0))
			memcpy(newest, v, sizeof(newest));
	}
	if (t->plain && newest[2].s) {
		m->last_manager = newest[0].s ? plain_intern_word(t, &newest[0], NULL) : NULL;
		m->last_change = plain_intern_word(t, &newest[2], NULL);
	}
}

void plain_get_meta(struct text *t, struct k8s_meta *m)
{
	static const char *const names[] = { "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "labels", "annotations",
					     "ownerReferences", "managedFields", "finalizers", NULL };
	struct members o = { .names = names };

	for (bool any = plain_enter(t, '{'); any && plain_next_member(t, &o);) {
		switch (o.at) {
		case 0:
			m->name = plain_get_name(t, NULL);
			break;
		case 1:
			m->ns = plain_get_name(t, NULL);
			break;
		case 2:
			m->uid = get_text(t);
			break;
		case 3:
			m->created = plain_get_name(t, NULL);
			break;
		case 4:
			m->deleted = plain_get_name(t, NULL);
			break;
		case 5:
			m->labels = plain_get_labels(t, false);
			break;
		case 6:
			m->annotations = plain_get_labels(t, true);
			break;
		case 7:
			get_owners(t, m);
			break;
		case 8:
			get_last_change(t, m);
			break;
		default:
			t->plain &= *t->p == 'n'; /* rare */
			if (t->plain)
				skip(t);
		}
	}
	if (!m->ns)
		m->ns = "";
	t->plain &= m->name && *m->name && strlen(m->name) <= K8S_NAME_MAX && strlen(m->ns) <= K8S_NAME_MAX;
}

/* ---- endpoints ---- */

static void get_addresses(struct text *t, bool fqdn, struct k8s_endpoint *e)
{
	const char *v[LIST_MAX];
	size_t len = 0;

	for (bool any = plain_enter(t, '['); any && plain_has_more(t) && t->plain; len++) {
		t->plain &= len < LIST_MAX && *t->p == '"';
		v[len % LIST_MAX] = t->plain ? get_text(t) : NULL;
	}
	if (!t->plain)
		return;
	e->addresses = plain_keep_array(t, v, len, sizeof(*v));
	e->naddresses = e->addresses ? len : 0;
	if (e->naddresses > 0 && !fqdn)
		t->plain &= dec_ip(v[0], &e->ip);
}

static void get_conditions(struct text *t, struct k8s_endpoint *e)
{
	static const char *const names[] = { "ready", "serving", "terminating", NULL };
	struct members o = { .names = names };

	for (bool any = plain_enter(t, '{'); any && plain_next_member(t, &o);)
		*(o.at == 0 ? &e->ready : o.at == 1 ? &e->serving : &e->terminating) = plain_get_bool(t);
}

static void get_target(struct text *t, const struct k8s_endpoint *before, struct k8s_endpoint *e)
{
	static const char *const names[] = { "kind", "namespace", "name", "uid", NULL };
	struct members o = { .names = names };

	for (bool any = plain_enter(t, '{'); any && plain_next_member(t, &o);) {
		if (o.at == 0)
			e->target_kind = plain_get_name(t, before->target_kind);
		else if (o.at == 1)
			e->target_ns = plain_get_name(t, before->target_ns);
		else
			*(o.at == 2 ? &e->target_name : &e->target_uid) = get_text(t);
	}
}

/* The names of an array of objects. */
static const char *const *get_hint(struct text *t, size_t *ret_len)
{
	static const char *const names[] = { "name", NULL };
	const char *v[LIST_MAX];
	size_t len = 0;

	for (bool any = plain_enter(t, '['); any && plain_has_more(t) && t->plain; len++) {
		struct members o = { .names = names };
		const char *name = NULL;

		t->plain &= len < LIST_MAX && *t->p == '{';
		if (!t->plain)
			break;
		t->p++;
		while (plain_next_member(t, &o))
			name = plain_get_name(t, NULL);
		v[len] = name ? name : "";
	}
	*ret_len = t->plain ? len : 0;
	return t->plain ? plain_keep_array(t, v, len, sizeof(*v)) : NULL;
}

static void get_hints(struct text *t, struct k8s_endpoint *e)
{
	static const char *const names[] = { "forZones", "forNodes", NULL };
	struct members o = { .names = names };

	for (bool any = plain_enter(t, '{'); any && plain_next_member(t, &o);) {
		if (o.at == 0)
			e->zone_hints = get_hint(t, &e->nzone_hints);
		else
			e->node_hints = get_hint(t, &e->nnode_hints);
	}
}

/* @before: the one before it, or an empty one. */
static void get_endpoint(struct text *t, bool fqdn, const struct k8s_endpoint *before, struct k8s_endpoint *e)
{
	static const char *const names[] = { "addresses", "conditions", "nodeName", "zone", "hostname", "targetRef", "hints", "topology", NULL };
	struct members o = { .names = names };

	t->plain &= *t->p == '{';
	for (bool any = t->plain && plain_enter(t, '{'); any && plain_next_member(t, &o);) {
		switch (o.at) {
		case 0:
			get_addresses(t, fqdn, e);
			break;
		case 1:
			get_conditions(t, e);
			break;
		case 2:
			e->node_name = plain_get_name(t, before->node_name);
			break;
		case 3:
			e->zone = plain_get_name(t, before->zone);
			break;
		case 4:
			e->hostname = plain_get_name(t, NULL);
			break;
		case 5:
			get_target(t, before, e);
			break;
		case 6:
			get_hints(t, e);
			break;
		default:
			t->plain = false; /* v1beta1 */
		}
	}
}

struct endpoints {
	ARRAY_OF(struct k8s_endpoint) list;
};

static void endpoints_release(struct endpoints *e)
{
	array_free(&e->list);
}

static void get_endpoints(struct text *t, struct k8s_slice *s)
{
	static const struct k8s_endpoint none = { .ready = -1, .serving = -1, .terminating = -1 };
	struct endpoints e CLEANUP(endpoints_release) = { 0 };
	const bool fqdn = str_is(s->address_type, "FQDN");
	struct k8s_endpoint before = none;

	for (bool any = plain_enter(t, '['); any && plain_has_more(t);) {
		struct k8s_endpoint one = none;

		get_endpoint(t, fqdn, &before, &one);
		if (array_push(&e.list, one) < 0)
			(void)out_of_memory(t);
		before = one;
	}
	if (!t->plain)
		return;
	s->endpoints = plain_keep_array(t, e.list.v, e.list.len, sizeof(*e.list.v));
	s->nendpoints = s->endpoints ? e.list.len : 0;
}

/* ---- ports ---- */

uint16_t plain_get_port(struct text *t, bool *ret_has)
{
	uint32_t n = 0;

	*ret_has = false;
	if (*t->p == 'n') {
		skip(t);
		return 0;
	}
	for (int i = 0; i < 5 && *t->p >= '0' && *t->p <= '9'; i++, t->p++) {
		n = n * 10 + (uint32_t)(*t->p - '0');
		*ret_has = true;
	}
	t->plain &= *ret_has && n <= UINT16_MAX && (*t->p == ',' || *t->p == '}' || *t->p == ' ' || *t->p == '\n' || *t->p == '\r' || *t->p == '\t');
	return (uint16_t)n;
}

uint8_t plain_get_proto(struct text *t)
{
	const struct word w = plain_get_word(t);

	if (w.len == 0 || plain_is_word(&w, "TCP"))
		return IPPROTO_TCP;
	t->plain &= plain_is_word(&w, "UDP") || plain_is_word(&w, "SCTP");
	return plain_is_word(&w, "UDP") ? IPPROTO_UDP : IPPROTO_SCTP;
}

static void get_ports(struct text *t, struct k8s_slice *s)
{
	static const char *const names[] = { "name", "protocol", "port", NULL };
	struct k8s_slice_port v[LIST_MAX];
	size_t len = 0;
	const bool any = plain_enter(t, '[');

	for (; any && plain_has_more(t) && t->plain; len++) {
		struct members o = { .names = names };

		t->plain &= len < LIST_MAX && *t->p == '{';
		if (!t->plain)
			return;
		v[len] = (struct k8s_slice_port){ .proto = IPPROTO_TCP };
		t->p++;
		while (plain_next_member(t, &o)) {
			if (o.at == 0)
				v[len].name = plain_get_name(t, NULL);
			else if (o.at == 1)
				v[len].proto = plain_get_proto(t);
			else
				v[len].port = plain_get_port(t, &v[len].has_port);
		}
	}
	if (!t->plain)
		return;
	s->ports_null = !any;
	s->ports = plain_keep_array(t, v, len, sizeof(*v));
	s->nports = s->ports ? len : 0;
}

/* ---- the whole ---- */

void plain_get_kind(struct text *t, struct word *ret)
{
	t->plain &= *t->p == '"';
	*ret = plain_get_word(t);
}

static bool is_slice(const struct kind *k)
{
	return plain_is_word(&k->kind, "EndpointSlice") && k->version.len > sizeof(slice_group) - 1 &&
	       memcmp(k->version.s, slice_group, sizeof(slice_group) - 1) == 0;
}

/* Endpoints are read behind the type of their addresses, wherever that stands. */
static void get_slice(struct text *t, struct kind *k, struct k8s_slice *s)
{
	static const char *const names[] = { "metadata", "addressType", "endpoints", "ports", "kind", "apiVersion", NULL };
	struct members o = { .names = names };
	const char *endpoints = NULL;

	s->ports_null = true;
	for (bool any = plain_enter(t, '{'); any && plain_next_member(t, &o);) {
		if (o.at == 0) {
			plain_get_meta(t, &s->meta);
		} else if (o.at == 1) {
			s->address_type = plain_get_name(t, NULL);
		} else if (o.at == 2 && s->address_type) {
			get_endpoints(t, s);
		} else if (o.at == 2) {
			endpoints = t->p;
			skip(t);
		} else if (o.at == 3) {
			get_ports(t, s);
		} else {
			plain_get_kind(t, o.at == 4 ? &k->kind : &k->version);
		}
	}
	t->plain &= s->meta.name && s->address_type && is_slice(k);
	if (t->plain && endpoints) {
		t->p = endpoints;
		get_endpoints(t, s);
	}
	s->service = k8s_label_get(&s->meta.labels, "kubernetes.io/service-name");
	s->managed_by = k8s_label_get(&s->meta.labels, "endpointslice.kubernetes.io/managed-by");
	s->headless = k8s_label_get(&s->meta.labels, "service.kubernetes.io/headless");
}

static bool is_ascii(const char *text, size_t size)
{
	uint64_t bits = 0, w;
	size_t i = 0;

	for (; i + sizeof(w) <= size; i += sizeof(w)) {
		memcpy(&w, text + i, sizeof(w));
		bits |= w;
	}
	for (; i < size; i++)
		bits |= (unsigned char)text[i];
	return !(bits & 0x8080808080808080u);
}

static int result(const struct text *t)
{
	return t->plain ? 1 : t->no_memory ? -ENOMEM : 0;
}

static int keep_slice(struct text *t, struct kind *k)
{
	struct k8s_slice s = { 0 }, *kept;

	get_slice(t, k, &s);
	s.meta.order = t->c->order;
	kept = t->plain ? plain_keep_array(t, &s, 1, sizeof(s)) : NULL;
	if (kept && array_push(&t->c->slices, kept) < 0)
		return -ENOMEM;
	return result(t);
}

static int keep_service(struct text *t, struct kind *k)
{
	struct k8s_service s = { 0 }, *kept;

	plain_get_service(t, k, &s);
	s.meta.order = t->c->order;
	kept = t->plain ? plain_keep_array(t, &s, 1, sizeof(s)) : NULL;
	if (kept && array_push(&t->c->services, kept) < 0)
		return -ENOMEM;
	return result(t);
}

/* In a list of several kinds: one that is most likely of @what says so where it begins, as kubectl sorts its members. */
static bool says(const char *text, size_t size, const struct kind *k, const char *what)
{
	return k->kind.len == 0 && memmem(text, MIN(size, KIND_WITHIN), what, strlen(what));
}

int k8s_decode_text(struct k8s_cluster *c, const char *text, size_t size, const char *kind, const char *api_version, enum k8s_kind *ret)
{
	struct kind k = { { kind, strlen(kind) }, { api_version, strlen(api_version) } };
	struct text t = { .p = text, .end = text + size, .c = c, .plain = true };
	const bool slice = is_slice(&k) || says(text, size, &k, slice_group);
	int r;

	if (!(slice || plain_is_service(&k) || says(text, size, &k, "\"Service\"")) || *text != '{' || !is_ascii(text, size))
		return 0;
	t.escapes = memchr(text, '\\', size);
	r = slice ? keep_slice(&t, &k) : keep_service(&t, &k);
	if (r <= 0)
		return r;
	c->order++;
	c->finished = false;
	*ret = slice ? K8S_SLICES : K8S_SERVICES;
	return 1;
}
