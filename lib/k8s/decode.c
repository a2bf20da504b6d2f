/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typed access to the members of an object, shared by the decoders of single kinds (service.c, pod.c, node.c,
 * other.c). Strict where a value decides something, lenient with what only people read.
 */

#include <errno.h>
#include <netinet/in.h>

#include "k8s-private.h"

void dec_bad(struct k8s_dec *d, const char *key, const char *what)
{
	if (d->err)
		return;
	d->err = SD_EPARSE;
	sd_note_add(d->notes, true, "bad-object", d->file, d->line, 0, NULL,
		    "%s '%s%s%s': %s%s%s %s; the object is not used", d->kind, d->ns, *d->ns ? "/" : "",
		    d->name, d->where, *d->where ? "." : "", key, what);
}

void dec_note_address(struct k8s_dec *d, const char *key, const char *value)
{
	sd_note_add(d->notes, true, "bad-address", d->file, d->line, 0, NULL,
		    "%s '%s%s%s': %s%s%s is no address: '%.64s'", d->kind, d->ns, *d->ns ? "/" : "", d->name,
		    d->where, *d->where ? "." : "", key, value);
}

static void *out_of_memory(struct k8s_dec *d)
{
	d->err = -ENOMEM;
	return NULL;
}

const char *dec_intern(struct k8s_dec *d, const char *s)
{
	char *copy;

	if (!s)
		return NULL;
	copy = map_gets(&d->c->strings, s);
	if (copy)
		return copy;
	copy = arena_strdup(&d->c->arena, s);
	if (!copy || map_puts(&d->c->strings, copy, copy) < 0)
		return out_of_memory(d);
	return copy;
}

void *dec_array(struct k8s_dec *d, size_t len, size_t elem_size)
{
	void *p;

	if (len == 0)
		return NULL;
	p = arena_alloc(&d->c->arena, len * elem_size);
	return p ? p : out_of_memory(d);
}

/* The member's value, NULL where absent, null or of another type than @type, which is recorded. */
static json_t *member(struct k8s_dec *d, const json_t *o, const char *key, json_type type, const char *what)
{
	json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return NULL;
	if (json_typeof(v) == type)
		return v;
	dec_bad(d, key, what);
	return NULL;
}

static const char *copy_str(struct k8s_dec *d, const char *s)
{
	char *copy = s ? arena_strdup(&d->c->arena, s) : NULL;

	return s && !copy ? out_of_memory(d) : copy;
}

const char *dec_str(struct k8s_dec *d, const json_t *o, const char *key)
{
	return copy_str(d, json_string_value(member(d, o, key, JSON_STRING, "is not a string")));
}

const char *dec_name(struct k8s_dec *d, const json_t *o, const char *key)
{
	return dec_intern(d, json_string_value(member(d, o, key, JSON_STRING, "is not a string")));
}

const char *dec_text(struct k8s_dec *d, const json_t *o, const char *key)
{
	const char *s = json_str(o, key);

	/* Times, reasons and the like repeat; messages hardly do. */
	return s && strlen(s) <= 40 ? dec_intern(d, s) : copy_str(d, s);
}

json_t *dec_obj(struct k8s_dec *d, const json_t *o, const char *key)
{
	return member(d, o, key, JSON_OBJECT, "is not an object");
}

/* An array of objects. */
json_t *dec_arr(struct k8s_dec *d, const json_t *o, const char *key)
{
	json_t *a = member(d, o, key, JSON_ARRAY, "is not an array");

	for (size_t i = 0; i < json_array_size(a); i++) {
		if (!json_is_object(json_array_get(a, i))) {
			dec_bad(d, key, "has an element that is not an object");
			return NULL;
		}
	}
	return a;
}

static json_t *string_array(struct k8s_dec *d, const json_t *o, const char *key)
{
	json_t *a = member(d, o, key, JSON_ARRAY, "is not an array");

	for (size_t i = 0; i < json_array_size(a); i++) {
		if (!json_is_string(json_array_get(a, i))) {
			dec_bad(d, key, "has an element that is not a string");
			return NULL;
		}
	}
	return a;
}

int64_t dec_int(struct k8s_dec *d, const json_t *o, const char *key, int64_t min, int64_t max, int64_t def)
{
	const json_t *v = member(d, o, key, JSON_INTEGER, "is not a whole number");
	int64_t n = v ? json_integer_value(v) : def;

	if (v && (n < min || n > max)) {
		dec_bad(d, key, "is out of range");
		return def;
	}
	return n;
}

bool dec_bool(struct k8s_dec *d, const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (v && !json_is_null(v) && !json_is_boolean(v))
		dec_bad(d, key, "is neither true nor false");
	return json_is_true(v);
}

uint8_t dec_proto(struct k8s_dec *d, const json_t *o)
{
	const char *s = json_string_value(member(d, o, "protocol", JSON_STRING, "is not a string"));

	if (!s || !*s || strcmp(s, "TCP") == 0)
		return IPPROTO_TCP;
	if (strcmp(s, "UDP") == 0)
		return IPPROTO_UDP;
	if (strcmp(s, "SCTP") == 0)
		return IPPROTO_SCTP;
	dec_bad(d, "protocol", "is none of TCP, UDP and SCTP");
	return IPPROTO_TCP;
}

/* A string is a name, also "80": the API server refuses to store such a name, so that nothing resolves it. */
struct k8s_target_port dec_target(struct k8s_dec *d, const json_t *o, const char *key)
{
	struct k8s_target_port t = { 0 };
	const json_t *v = json_object_get(o, key);

	if (json_is_string(v) && *json_string_value(v))
		t.name = dec_intern(d, json_string_value(v));
	else if (!json_is_string(v))
		t.number = (uint16_t)dec_int(d, o, key, 0, UINT16_MAX, 0);
	return t;
}

struct k8s_labels dec_labels(struct k8s_dec *d, const json_t *o, const char *key)
{
	json_t *object = dec_obj(d, o, key), *value;
	struct k8s_label *v = dec_array(d, json_object_size(object), sizeof(*v));
	const char *name;
	size_t len = 0;

	if (!v)
		return (struct k8s_labels){ 0 };
	json_object_foreach(object, name, value) {
		if (!json_is_string(value)) {
			dec_bad(d, key, "has a value that is not a string");
			break;
		}
		v[len++] = (struct k8s_label){ dec_intern(d, name), dec_intern(d, json_string_value(value)) };
	}
	return (struct k8s_labels){ v, d->err ? 0 : len };
}

static const char *const *strings(struct k8s_dec *d, const json_t *o, const char *key, size_t *ret_len,
				  const char *(*copy)(struct k8s_dec *d, const char *s))
{
	const json_t *a = string_array(d, o, key);
	size_t len = json_array_size(a);
	const char **v = dec_array(d, len, sizeof(*v));

	*ret_len = 0;
	for (size_t i = 0; v && i < len; i++)
		v[i] = copy(d, json_string_value(json_array_get(a, i)));
	if (!d->err)
		*ret_len = len;
	return v;
}

const char *const *dec_strs(struct k8s_dec *d, const json_t *o, const char *key, size_t *ret_len)
{
	return strings(d, o, key, ret_len, dec_intern);
}

const char *const *dec_rare_strs(struct k8s_dec *d, const json_t *o, const char *key, size_t *ret_len)
{
	return strings(d, o, key, ret_len, copy_str);
}

/* Leading zeros of the four numbers taken away. */
static bool parse_sloppy4(const char *s, struct ip_addr *ret)
{
	char plain[16];
	size_t len = 0;
	bool first = true;

	for (; *s; s++) {
		if (first && s[0] == '0' && s[1] >= '0' && s[1] <= '9')
			continue;
		if (len == sizeof(plain) - 1)
			return false;
		plain[len++] = *s;
		first = *s == '.';
	}
	return ip_addr_parsen(plain, len, ret) == 0 && ret->family == AF_INET;
}

bool dec_ip(const char *s, struct ip_addr *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct ip_addr a;

	if (ip_addr_parse(s, &a) < 0 && !parse_sloppy4(s, &a))
		return false;
	if (a.family == AF_INET6 && memcmp(a.b, mapped, sizeof(mapped)) == 0) {
		struct ip_addr v4 = { .family = AF_INET };

		memcpy(v4.b, a.b + 12, 4);
		a = v4;
	}
	*ret = a;
	return true;
}

const struct ip_addr *dec_ips(struct k8s_dec *d, const json_t *o, const char *key, size_t *ret_len)
{
	const json_t *a = string_array(d, o, key);
	struct ip_addr *v = dec_array(d, json_array_size(a), sizeof(*v));
	size_t len = 0;

	for (size_t i = 0; v && i < json_array_size(a); i++) {
		const char *s = json_string_value(json_array_get(a, i));

		if (!*s || strcmp(s, "None") == 0)
			continue;
		if (dec_ip(s, &v[len]))
			len++;
		else
			dec_note_address(d, key, s);
	}
	*ret_len = len;
	return v;
}

const struct ip_prefix *dec_cidrs(struct k8s_dec *d, const json_t *o, const char *key, size_t *ret_len)
{
	const json_t *a = string_array(d, o, key);
	struct ip_prefix *v = dec_array(d, json_array_size(a), sizeof(*v));
	size_t len = 0;

	for (size_t i = 0; v && i < json_array_size(a); i++) {
		const char *s = json_string_value(json_array_get(a, i));

		if (ip_prefix_parse(s, &v[len]) == 0)
			len++;
		else
			dec_note_address(d, key, s);
	}
	*ret_len = len;
	return v;
}

const struct k8s_condition *dec_conditions(struct k8s_dec *d, const json_t *status, size_t *ret_len)
{
	const json_t *a = dec_arr(d, status, "conditions");
	size_t len = json_array_size(a);
	struct k8s_condition *v = dec_array(d, len, sizeof(*v));

	for (size_t i = 0; v && i < len; i++) {
		const json_t *c = json_array_get(a, i);

		v[i] = (struct k8s_condition){
			.type = dec_name(d, c, "type"),
			.status = dec_name(d, c, "status"),
			.reason = dec_text(d, c, "reason"),
			.message = dec_text(d, c, "message"),
			.since = dec_text(d, c, "lastTransitionTime"),
		};
	}
	*ret_len = v ? len : 0;
	return v;
}
