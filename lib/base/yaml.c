/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * YAML as a jansson tree, from libyaml's events: nothing is kept beside the tree, and its limits hold while it is read. The only user of
 * libyaml. What a plain scalar is follows go-yaml 2, which sigs.k8s.io/yaml (kubectl, kube-proxy) reads with: 'on' is true, '010' is 8.
 */
#include <errno.h>
#include <jansson.h>
#include <yaml.h>

#include <svcdoctor/base.h>

enum { ANCHORS_MAX = 1000 };

struct anchor {
	char *name;
	json_t *value;
	size_t nodes; /* an alias costs as much as what it stands for */
};

struct reader {
	yaml_parser_t parser;
	const struct yaml_limits *limits;
	struct yaml_fault *fault;
	ARRAY_OF(struct anchor) anchors;
	size_t nodes;
	int err;
};

/* ---- events ---- */

static void blame(struct reader *r, int err, const char *why, const yaml_mark_t *at)
{
	if (r->err < 0)
		return;
	r->err = err;
	*r->fault = (struct yaml_fault){ why, at ? (uint32_t)at->line + 1 : 0, at ? (uint32_t)at->column + 1 : 0 };
}

static bool next_event(struct reader *r, yaml_event_t *e)
{
	if (r->err < 0)
		return false;
	if (yaml_parser_parse(&r->parser, e))
		return true;
	if (r->parser.error == YAML_MEMORY_ERROR)
		blame(r, -ENOMEM, "memory is out", NULL);
	else
		blame(r, SD_EPARSE, r->parser.problem ? r->parser.problem : "it is no YAML",
		      r->parser.problem_mark.line || r->parser.problem_mark.column ? &r->parser.problem_mark : &r->parser.mark);
	return false;
}

/* Opens the text and goes to the first node of the first document. False: there is none, or r->err says why. */
static bool start(struct reader *r, const char *text, size_t size, yaml_event_t *first)
{
	if (!yaml_parser_initialize(&r->parser)) {
		blame(r, -ENOMEM, "memory is out", NULL);
		return false;
	}
	yaml_parser_set_input_string(&r->parser, (const unsigned char *)text, size);
	while (next_event(r, first)) {
		yaml_event_type_t type = first->type;

		if (type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT && type != YAML_STREAM_END_EVENT)
			return true;
		yaml_event_delete(first);
		if (type == YAML_STREAM_END_EVENT)
			break;
	}
	return false;
}

/* ---- scalars ---- */

/* Go's strconv.ParseInt with base 0: the prefix says the base, and a leading zero means octal. */
static bool integer_of(const char *s, json_int_t *ret)
{
	bool minus = s[0] == '-';
	int base = 10;
	char *end;

	s += s[0] == '-' || s[0] == '+';
	if (s[0] == '0' && s[1]) {
		char mark = (char)(s[1] | 32);

		base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
		s += mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1;
	}
	if (!((*s >= '0' && *s <= '9') || (base == 16 && (*s | 32) >= 'a' && (*s | 32) <= 'f')))
		return false;
	errno = 0;
	unsigned long long v = strtoull(s, &end, base);
	if (*end || errno || v > INT64_MAX)
		return false;
	*ret = minus ? -(json_int_t)v : (json_int_t)v;
	return true;
}

static const char *skip_digits(const char *s)
{
	while (*s >= '0' && *s <= '9')
		s++;
	return s;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_real(const char *s)
{
	const char *whole, *p;

	s += *s == '-' || *s == '+';
	whole = s;
	p = skip_digits(s);
	if (*p == '.')
		p = skip_digits(p + 1);
	if (p == whole || (p == whole + 1 && *whole == '.'))
		return false;
	if (*p == 'e' || *p == 'E') {
		const char *digits = p + 1 + (p[1] == '-' || p[1] == '+');

		p = skip_digits(digits);
		if (p == digits)
			return false;
	}
	return *p == '\0';
}

/* A number as JSON has it, or NULL: the scalar is text. Underscores part digits. */
static json_t *number_of(const char *s, size_t len)
{
	char plain[64];
	size_t n = 0;
	json_int_t whole;

	if (len >= sizeof(plain) || !strchr("0123456789+-.", s[0]))
		return NULL;
	for (; *s; s++) {
		if (*s != '_')
			plain[n++] = *s;
	}
	plain[n] = '\0';
	if (integer_of(plain, &whole))
		return json_integer(whole);
	return looks_real(plain) ? json_real(strtod(plain, NULL)) : NULL; /* NULL as well when it is infinite: then it is text */
}

/* A plain scalar has the type that it looks like; a quoted or a tagged one is a string. */
static json_t *scalar_value(const yaml_event_t *e)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const yes[] = { "true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", NULL };
	static const char *const no[] = { "false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF", NULL };
	const char *s = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	json_t *number;

	if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !e->data.scalar.tag && strlen(s) == len) {
		if (str_one_of(s, strlen(s), nulls))
			return json_null();
		if (str_one_of(s, strlen(s), yes))
			return json_true();
		if (str_one_of(s, strlen(s), no))
			return json_false();
		number = number_of(s, len);
		if (number)
			return number;
	}
	return json_stringn(s, len);
}

/* ---- nodes ---- */

static json_t *read_node(struct reader *r, yaml_event_t *e, unsigned depth);

static const char *anchor_of(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)e->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)e->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return (const char *)e->data.mapping_start.anchor;
	default:
		return NULL;
	}
}

/* Takes @name. */
static void remember(struct reader *r, char *name, json_t *value, size_t nodes, const yaml_mark_t *at)
{
	struct anchor a = { name, value, nodes };

	if (value && r->anchors.len >= ANCHORS_MAX)
		blame(r, SD_ELIMIT, "it has too many anchors", at);
	else if (value && array_push(&r->anchors, a) < 0)
		blame(r, -ENOMEM, "memory is out", NULL);
	else if (value) {
		(void)json_incref(value);
		return;
	}
	free(name);
}

static json_t *read_alias(struct reader *r, const yaml_event_t *e)
{
	const char *name = (const char *)e->data.alias.anchor;

	for (size_t i = r->anchors.len; i-- > 0;) {
		const struct anchor *a = &r->anchors.v[i];

		if (strcmp(a->name, name) == 0) {
			r->nodes += a->nodes;
			if (r->nodes > r->limits->nodes)
				blame(r, SD_ELIMIT, "it has too many values", &e->start_mark);
			return json_incref(a->value);
		}
	}
	blame(r, SD_EPARSE, "an alias stands for nothing", &e->start_mark);
	return NULL;
}

static json_t *read_sequence(struct reader *r, unsigned depth)
{
	json_t *a = json_array();
	yaml_event_t e;

	while (next_event(r, &e)) {
		if (e.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&e);
			return a;
		}
		if (json_array_append_new(a, read_node(r, &e, depth)) < 0)
			blame(r, -ENOMEM, "memory is out", NULL); /* or what stopped read_node */
	}
	json_decref(a);
	return NULL;
}

/* '<<': what is merged in replaces what stands before, and is replaced by what comes behind. */
static void merge_into(struct reader *r, json_t *o, json_t *from, const yaml_mark_t *at)
{
	bool ok = json_is_object(from);

	if (ok && json_object_update(o, from) < 0)
		blame(r, -ENOMEM, "memory is out", NULL);
	for (size_t i = json_array_size(from); i-- > 0;) { /* earlier ones win */
		json_t *one = json_array_get(from, i);

		ok = json_is_object(one);
		if (!ok)
			break;
		if (json_object_update(o, one) < 0)
			blame(r, -ENOMEM, "memory is out", NULL);
	}
	if (!ok)
		blame(r, SD_EPARSE, "'<<' merges no mapping", at);
	json_decref(from);
}

/* A key as JSON has it, malloc'd; NULL with r->err. */
static char *read_key(struct reader *r, yaml_event_t *e, bool *ret_merge)
{
	const yaml_mark_t at = e->start_mark;
	bool scalar = e->type == YAML_SCALAR_EVENT, merge = scalar && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
							       strcmp((const char *)e->data.scalar.value, "<<") == 0;
	json_t *v = NULL;
	char *key = NULL;

	if (scalar || e->type == YAML_ALIAS_EVENT)
		v = read_node(r, e, 0);
	else
		yaml_event_delete(e);

	if (json_is_string(v) && strlen(json_string_value(v)) == json_string_length(v))
		key = strdup(json_string_value(v));
	else if (json_is_number(v))
		key = json_dumps(v, JSON_ENCODE_ANY);
	else if (json_is_boolean(v))
		key = strdup(json_is_true(v) ? "true" : "false");
	else
		blame(r, SD_EPARSE, "a key is no text", &at);
	json_decref(v);
	if (!key)
		blame(r, -ENOMEM, "memory is out", NULL);
	*ret_merge = merge;
	return key;
}

static bool read_pair(struct reader *r, yaml_event_t *e, json_t *o, unsigned depth)
{
	const yaml_mark_t at = e->start_mark;
	bool merge;
	char *key = read_key(r, e, &merge);
	json_t *v = NULL;

	if (key && next_event(r, e))
		v = read_node(r, e, depth);
	if (v && r->err == 0 && merge)
		merge_into(r, o, take_ptr(v), &at);
	else if (v && r->err == 0 && json_object_set_new(o, key, take_ptr(v)) < 0)
		blame(r, SD_EPARSE, "a key is no text", &at); /* such as broken UTF-8 */
	json_decref(v);
	free(key);
	return r->err == 0;
}

static json_t *read_mapping(struct reader *r, unsigned depth)
{
	json_t *o = json_object();
	yaml_event_t e;

	while (next_event(r, &e)) {
		if (e.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&e);
			return o;
		}
		if (!read_pair(r, &e, o, depth))
			break;
	}
	json_decref(o);
	return NULL;
}

/* Takes the event. NULL with r->err. */
static json_t *read_node(struct reader *r, yaml_event_t *e, unsigned depth)
{
	const yaml_mark_t at = e->start_mark;
	const char *anchor = anchor_of(e);
	char *name = anchor ? strdup(anchor) : NULL;
	size_t before = r->nodes++;
	json_t *v = NULL;

	if (r->nodes > r->limits->nodes)
		blame(r, SD_ELIMIT, "it has too many values", &at);
	else if (e->type != YAML_SCALAR_EVENT && e->type != YAML_ALIAS_EVENT && depth >= r->limits->depth)
		blame(r, SD_ELIMIT, "it is nested too deeply", &at);
	else if (e->type == YAML_SCALAR_EVENT)
		v = scalar_value(e);
	else if (e->type == YAML_ALIAS_EVENT)
		v = read_alias(r, e);
	else if (e->type == YAML_SEQUENCE_START_EVENT)
		v = read_sequence(r, depth + 1);
	else
		v = read_mapping(r, depth + 1);
	yaml_event_delete(e);
	if (!v)
		blame(r, SD_EPARSE, "a text is no UTF-8", &at);
	if (name)
		remember(r, name, v, r->nodes - before, &at);
	return v;
}

static void finish(struct reader *r)
{
	yaml_parser_delete(&r->parser);
	for (size_t i = 0; i < r->anchors.len; i++) {
		free(r->anchors.v[i].name);
		json_decref(r->anchors.v[i].value);
	}
	array_free(&r->anchors);
}

int yaml_to_json(const char *text, size_t size, const struct yaml_limits *limits, struct json_t **ret, struct yaml_fault *ret_fault)
{
	struct yaml_fault fault = { 0 };
	struct reader r = { .limits = limits, .fault = &fault };
	yaml_event_t e;
	json_t *v = NULL;

	if (size > limits->size)
		blame(&r, SD_ELIMIT, "it is too large", NULL);
	else if (start(&r, text, size, &e))
		v = read_node(&r, &e, 0);
	else if (r.err == 0)
		v = json_null();
	if (v && r.err == 0 && next_event(&r, &e))
		yaml_event_delete(&e); /* the document's end: what stands behind a complete value is a fault */
	finish(&r);
	if (r.err < 0) {
		json_decref(v);
		*ret_fault = fault;
		return r.err;
	}
	*ret = v;
	return 0;
}

/* ---- places ---- */

/* Leaves out the rest of a value whose first event is @e, which is taken. */
static void skip_value(struct reader *r, yaml_event_t *e)
{
	size_t depth = 0;

	do {
		yaml_event_type_t type = e->type;

		yaml_event_delete(e);
		if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
			depth++;
		else if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT)
			depth--;
	} while (depth > 0 && next_event(r, e));
}

/* From the value that starts with @e, which is taken, to the one that @step leads to: its first event is then in @e. */
static bool go_in(struct reader *r, yaml_event_t *e, const struct yaml_step *step)
{
	yaml_event_type_t want = step->key ? YAML_MAPPING_START_EVENT : YAML_SEQUENCE_START_EVENT, type = e->type;

	yaml_event_delete(e);
	if (type != want)
		return false;
	for (size_t i = 0; next_event(r, e); i++) {
		bool here = step->key ? e->type == YAML_SCALAR_EVENT && strcmp((const char *)e->data.scalar.value, step->key) == 0
				      : i == step->index;

		if (e->type == YAML_MAPPING_END_EVENT || e->type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(e);
			return false;
		}
		if (!step->key && here)
			return true;
		skip_value(r, e);
		if (step->key && (!next_event(r, e) || here))
			return r->err == 0;
		if (step->key)
			skip_value(r, e);
	}
	return false;
}

bool yaml_place(const char *text, size_t size, const struct yaml_step *steps, size_t nsteps, uint32_t *ret_line, uint32_t *ret_column)
{
	struct yaml_fault fault;
	struct reader r = { .fault = &fault };
	yaml_event_t e;
	bool found = start(&r, text, size, &e);

	for (size_t i = 0; found && i < nsteps; i++)
		found = go_in(&r, &e, &steps[i]);
	if (found) {
		*ret_line = (uint32_t)e.start_mark.line + 1;
		*ret_column = (uint32_t)e.start_mark.column + 1;
		yaml_event_delete(&e);
	}
	finish(&r);
	return found;
}
