/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads `ip -j rule` and `ip -6 -j rule`, one after the other or in one file. The output names no family: a list is of
 * the family of the addresses in it; without any, IPv4's own rules end with one for table default and IPv6's do not.
 * Where that would be wrong, kernel_ip_rule says the "family" of each rule, as `ip -j addr` does of addresses.
 */
#include <errno.h>

#include "ip-json-private.h"

/* One list: the rules of f->rules from @first on. */
struct rule_list {
	size_t first;
	uint32_t last_priority;
	uint8_t family;	    /* that an address told; 0: none did */
	uint8_t said;	    /* that its rules say of themselves; 0: they say nothing */
	bool has_default;   /* a rule for table default */
};

/* Members that are read, or that do not change which rule matches. Any other one is a question that is not modelled. */
static bool is_known_member(const char *key)
{
	static const char *const known[] = {
		"priority", "not", "src", "srclen", "dst", "dstlen", "fwmark", "fwmask", "iif", "iif_detached", "oif",
		"oif_detached", "table", "protocol", "goto", "unresolved", "nop", "l3mdev", "action",
		"suppress_prefixlen", "suppress_prefixlength", "flow_from", "flow_to", "family",
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(known[i], key) == 0)
			return true;
	}
	return false;
}

static int read_selector(struct ip_reader *r, const json_t *item, const char *key, const char *len_key,
			 struct ip_prefix *ret)
{
	const char *s = json_str(item, key);
	uint32_t len;

	if (!s || strcmp(s, "all") == 0)
		return 0;
	if (ip_prefix_parse(s, ret) < 0) {
		ip_bad(r, "a routing rule has a bad \"%s\": '%s'", key, s);
		return SD_EPARSE;
	}
	if (!ip_number(r, item, len_key, ret->len, &len) || len > ip_addr_size(&ret->addr) * 8)
		return SD_EPARSE;
	ret->len = (uint8_t)len;
	return 0;
}

static const char *action_name(const json_t *item)
{
	const char *s = json_str(item, "action");

	if (!s)
		return NULL;
	if (strcmp(s, "6") == 0)
		return "blackhole";
	if (strcmp(s, "7") == 0)
		return "unreachable";
	return strcmp(s, "8") == 0 ? "prohibit" : s;
}

static int read_action(struct ip_reader *r, const json_t *item, struct node_rule *u)
{
	const char *action = action_name(item);
	uint32_t len;

	if (json_object_get(item, "goto")) {
		action = "goto";
		if (!ip_number(r, item, "goto", 0, &u->goto_priority))
			return SD_EPARSE;
	} else if (json_object_get(item, "nop")) {
		action = "nop";
	} else if (json_object_get(item, "l3mdev")) {
		action = "l3mdev";
	}
	u->table = action ? 0 : ip_table(item, 0);
	if (!action && !u->table)
		u->unknown = true;
	u->action = arena_strdup(&r->f->arena, action);
	if (action && !u->action)
		return -ENOMEM;
	if (!ip_number(r, item, "suppress_prefixlen", UINT32_MAX, &len))
		return SD_EPARSE;
	if (len == UINT32_MAX && !ip_number(r, item, "suppress_prefixlength", UINT32_MAX, &len))
		return SD_EPARSE;
	u->suppress = len <= 128 ? (uint8_t)(len + 1) : 0;
	return 0;
}

static int read_mark(struct ip_reader *r, const json_t *item, struct node_rule *u)
{
	uint32_t whole = json_object_get(item, "fwmark") ? UINT32_MAX : 0;

	if (!ip_number(r, item, "fwmark", 0, &u->fwmark) || !ip_number(r, item, "fwmask", whole, &u->fwmask))
		return SD_EPARSE;
	return 0;
}

static void add_value(struct strbuf *b, const json_t *v)
{
	if (json_is_string(v))
		strbuf_addf(b, " %s", json_string_value(v));
	else if (json_is_integer(v))
		strbuf_addf(b, " %lld", (long long)json_integer_value(v));
}

/* The rule in words, much as ip prints it: "100: not from 10.0.0.0/8 fwmark 0x1 lookup 77". */
static int make_text(struct ip_reader *r, const json_t *item, struct node_rule *u)
{
	CLEANUP(strbuf_release) struct strbuf b = STRBUF_INIT;
	char p[IP_PREFIX_STRLEN];
	const char *key;
	json_t *v;

	strbuf_addf(&b, "%u:%s from %s", u->priority, u->invert ? " not" : "",
		    u->src.addr.family ? ip_prefix_format(&u->src, p) : "all");
	if (u->dst.addr.family)
		strbuf_addf(&b, " to %s", ip_prefix_format(&u->dst, p));
	json_object_foreach((json_t *)(uintptr_t)item, key, v) {
		if (strcmp(key, "priority") == 0 || strcmp(key, "not") == 0 || str_starts(key, "src") ||
		    str_starts(key, "dst") || strcmp(key, "protocol") == 0 || strcmp(key, "family") == 0)
			continue;
		if (strcmp(key, "table") == 0)
			strbuf_adds(&b, " lookup");
		else if (strcmp(key, "action") != 0)
			strbuf_addf(&b, " %s", key);
		add_value(&b, v);
	}
	u->text = b.failed ? NULL : arena_strndup(&r->f->arena, b.s, b.len);
	return u->text ? 0 : -ENOMEM;
}

/* 0; SD_EPARSE: something in it cannot be read (noted); -ENOMEM. */
static int read_rule(struct ip_reader *r, const json_t *item, struct node_rule *u)
{
	const char *key;
	json_t *v;
	int e;

	if (!ip_number(r, item, "priority", 0, &u->priority))
		return SD_EPARSE;
	u->invert = ip_flag(item, "not");
	json_object_foreach((json_t *)(uintptr_t)item, key, v)
		u->unknown |= !is_known_member(key);
	if (read_selector(r, item, "src", "srclen", &u->src) < 0 ||
	    read_selector(r, item, "dst", "dstlen", &u->dst) < 0 || read_mark(r, item, u) < 0)
		return SD_EPARSE;
	e = ip_copy(r, item, "iif", &u->iif);
	if (e == 0)
		e = ip_copy(r, item, "oif", &u->oif);
	return e < 0 ? e : read_action(r, item, u);
}

/* "ip6-rule.json", "ip-6-rule.json": the name is asked last. */
static bool is_named_ipv6(const char *file)
{
	const char *base = file ? strrchr(file, '/') : NULL;

	base = base ? base + 1 : file;
	return base && (str_starts(base, "ip6") || str_starts(base, "ip-6"));
}

static void end_list(struct ip_reader *r, struct rule_list *list)
{
	uint8_t family = list->said ? list->said : list->family;
	bool full = list->first < r->f->rules.len;

	if (!full)
		return;
	if (!family)
		family = is_named_ipv6(r->file) || !list->has_default ? AF_INET6 : AF_INET;
	for (size_t i = list->first; i < r->f->rules.len; i++)
		r->f->rules.v[i].family = family;
	if (family == AF_INET6)
		r->f->rules6_known = true;
	else
		r->f->rules_known = true;
	*list = (struct rule_list){ .first = r->f->rules.len };
}

static uint8_t family_said(const json_t *item)
{
	const char *s = json_str(item, "family");

	return str_is(s, "inet") ? AF_INET : str_is(s, "inet6") ? AF_INET6 : 0;
}

static int take_rule(struct ip_reader *r, const json_t *item)
{
	struct rule_list *list = r->more;
	struct node_rule u = { 0 };
	int e = read_rule(r, item, &u);

	if (e < 0 && e != SD_EPARSE)
		return e;
	/* A rule that cannot be read may match anything and do anything. */
	if (e == SD_EPARSE)
		u = (struct node_rule){ .priority = u.priority, .unknown = true, .action = "unreadable" };
	e = make_text(r, item, &u);
	if (e < 0)
		return e;
	if (u.priority < list->last_priority || family_said(item) != list->said)
		end_list(r, list);
	list->said = family_said(item);
	list->last_priority = u.priority;
	list->has_default |= u.table == 253;
	if (u.src.addr.family || u.dst.addr.family)
		list->family = u.src.addr.family ? u.src.addr.family : u.dst.addr.family;
	return array_push(&r->f->rules, u);
}

int read_ip_rule(struct node_facts *f, const char *data, size_t size, const char *file, struct sd_notes *notes)
{
	struct rule_list list = { .first = f->rules.len };
	struct ip_reader r = { .f = f, .file = file, .notes = notes, .more = &list };
	int e = ip_each(&r, data, size, take_rule);

	if (e == 0 && r.taken == 0) {
		sd_note_add(notes, true, "empty", file, 1, 0, "ip -j rule",
			    "'%s' shows no routing rule, not even the kernel's own", file);
		return SD_EPARSE;
	}
	end_list(&r, &list);
	return e;
}
