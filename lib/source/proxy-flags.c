/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kube-proxy's configuration from its flags: from the lines with which it begins its log at -v=1 and above,
 * FLAG: --cluster-cidr="10.244.0.0/16" (staging/src/k8s.io/component-base/cli/flag/flags.go PrintFlags), or from its command line, as
 * github.com/spf13/pflag reads it. They are turned into the JSON tree of a KubeProxyConfiguration, which lib/k8s decodes like configz. With
 * --config the flags tell nothing but the node's name: kube-proxy then takes all else from that file (cmd/kube-proxy/app/options.go).
 */

#include <errno.h>
#include <jansson.h>

#include "bundle-private.h"

enum flag_type { FLAG_TEXT, FLAG_BOOL, FLAG_NUMBER, FLAG_LIST, FLAG_GATES, FLAG_PORT };

struct flag {
	const char *name;
	enum flag_type type;
	const char *section, *key; /* of KubeProxyConfiguration; section NULL: at its top */
};

static const struct flag flags[] = {
	{ "proxy-mode", FLAG_TEXT, NULL, "mode" },
	{ "cluster-cidr", FLAG_TEXT, NULL, "clusterCIDR" },
	{ "detect-local-mode", FLAG_TEXT, NULL, "detectLocalMode" },
	{ "pod-bridge-interface", FLAG_TEXT, "detectLocal", "bridgeInterface" },
	{ "pod-interface-name-prefix", FLAG_TEXT, "detectLocal", "interfaceNamePrefix" },
	{ "masquerade-all", FLAG_BOOL, "iptables", "masqueradeAll" },
	{ "masquerade-all", FLAG_BOOL, "nftables", "masqueradeAll" },
	{ "iptables-masquerade-bit", FLAG_NUMBER, "iptables", "masqueradeBit" },
	{ "iptables-localhost-nodeports", FLAG_BOOL, "iptables", "localhostNodePorts" },
	{ "nodeport-addresses", FLAG_LIST, NULL, "nodePortAddresses" },
	{ "ipvs-scheduler", FLAG_TEXT, "ipvs", "scheduler" },
	{ "hostname-override", FLAG_TEXT, NULL, "hostnameOverride" },
	{ "bind-address", FLAG_TEXT, NULL, "bindAddress" },
	{ "healthz-bind-address", FLAG_TEXT, NULL, "healthzBindAddress" },
	{ "metrics-bind-address", FLAG_TEXT, NULL, "metricsBindAddress" },
	{ "healthz-port", FLAG_PORT, NULL, "healthzBindAddress" }, /* until 1.25; addressFromDeprecatedFlags: 0 turns it off */
	{ "metrics-port", FLAG_PORT, NULL, "metricsBindAddress" },
	{ "kubeconfig", FLAG_TEXT, "clientConnection", "kubeconfig" },
	{ "config-sync-period", FLAG_TEXT, NULL, "configSyncPeriod" },
	/* those of nftables mode, too: cmd/kube-proxy/app/options.go processV1Alpha1Flags, since 1.32 */
	{ "iptables-sync-period", FLAG_TEXT, "iptables", "syncPeriod" },
	{ "iptables-sync-period", FLAG_TEXT, "nftables", "syncPeriod" },
	{ "iptables-min-sync-period", FLAG_TEXT, "iptables", "minSyncPeriod" },
	{ "iptables-min-sync-period", FLAG_TEXT, "nftables", "minSyncPeriod" },
	{ "ipvs-sync-period", FLAG_TEXT, "ipvs", "syncPeriod" },
	{ "ipvs-min-sync-period", FLAG_TEXT, "ipvs", "minSyncPeriod" },
	{ "ipvs-tcp-timeout", FLAG_TEXT, "ipvs", "tcpTimeout" },
	{ "ipvs-strict-arp", FLAG_BOOL, "ipvs", "strictARP" },
	{ "conntrack-max-per-core", FLAG_NUMBER, "conntrack", "maxPerCore" },
	{ "conntrack-min", FLAG_NUMBER, "conntrack", "min" },
	{ "conntrack-tcp-be-liberal", FLAG_BOOL, "conntrack", "tcpBeLiberal" },
	{ "feature-gates", FLAG_GATES, NULL, "featureGates" },
};

#define GATE_MAX 127u
#define FLAG_MAX 80u

struct text {
	const char *p;
	size_t len;
};

static bool text_is(struct text t, const char *s)
{
	return t.len == strlen(s) && memcmp(t.p, s, t.len) == 0;
}

/* strconv.ParseBool; -1: it is none. */
static int truth_of(struct text t)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True", NULL }, *const no[] = { "0", "f", "F", "false", "FALSE", "False", NULL };

	return str_one_of(t.p, t.len, yes) ? 1 : str_one_of(t.p, t.len, no) ? 0 : -1;
}

/* The part up to the next comma; false at the end. */
static bool next_item(struct text *rest, struct text *ret)
{
	const char *comma = rest->len ? memchr(rest->p, ',', rest->len) : NULL;
	size_t len = comma ? (size_t)(comma - rest->p) : rest->len;

	if (rest->len == 0)
		return false;
	*ret = (struct text){ rest->p, len };
	rest->p += len + (comma != NULL);
	rest->len -= len + (comma != NULL);
	return true;
}

/* "[10.0.0.0/8,192.0.2.0/24]", on a command line without the brackets */
static json_t *list_value(struct text t)
{
	json_t *a = json_array();
	struct text item;
	bool ok = a;

	if (t.len >= 2 && t.p[0] == '[' && t.p[t.len - 1] == ']')
		t = (struct text){ t.p + 1, t.len - 2 };
	while (ok && next_item(&t, &item))
		ok = json_array_append_new(a, json_stringn(item.p, item.len)) == 0;
	if (!ok)
		json_decref(a);
	return ok ? a : NULL;
}

/* "A=true,B=false" */
static json_t *gates_value(struct text t)
{
	json_t *o = json_object();
	struct text item;
	bool ok = o;

	while (ok && next_item(&t, &item)) {
		const char *equals = memchr(item.p, '=', item.len);
		size_t len = equals ? (size_t)(equals - item.p) : 0;
		char name[GATE_MAX + 1];

		ok = len > 0 && len <= GATE_MAX;
		if (!ok)
			break;
		memcpy(name, item.p, len);
		name[len] = '\0';
		ok = json_object_set_new(o, name, json_boolean(truth_of((struct text){ equals + 1, item.len - len - 1 }) > 0)) == 0;
	}
	if (!ok)
		json_decref(o);
	return ok ? o : NULL;
}

/* NULL for what the flag cannot hold, and without memory. */
static json_t *flag_value(enum flag_type type, struct text t)
{
	uint64_t number;

	switch (type) {
	case FLAG_TEXT:
		return json_stringn(t.p, t.len);
	case FLAG_BOOL:
		return truth_of(t) < 0 ? NULL : json_boolean(truth_of(t));
	case FLAG_NUMBER:
		return parse_uint(t.p, t.len, UINT32_MAX, &number) == 0 ? json_integer((json_int_t)number) : NULL;
	case FLAG_LIST:
		return list_value(t);
	case FLAG_GATES:
		return gates_value(t);
	case FLAG_PORT:
		return json_string("");
	}
	return NULL;
}

static bool take_flag(json_t *config, const struct flag *f, struct text value)
{
	json_t *o = f->section ? json_object_get(config, f->section) : config;

	if (!o && json_object_set_new(config, f->section, json_object()) == 0)
		o = json_object_get(config, f->section);
	return o && json_object_set_new(o, f->key, flag_value(f->type, value)) == 0;
}

/* The name and the value of --NAME="VALUE" at the head of @t; false where it is something else, or has escapes in it. */
static bool split_flag(struct text t, struct text *name, struct text *value)
{
	const char *equals = memchr(t.p, '=', t.len);
	size_t len = equals ? (size_t)(equals - t.p) : 0;

	if (len < 3 || memcmp(t.p, "--", 2) != 0 || t.len - len < 3 || equals[1] != '"' || t.p[t.len - 1] != '"')
		return false;
	*name = (struct text){ t.p + 2, len - 2 };
	*value = (struct text){ equals + 2, t.len - len - 3 };
	return !memchr(value->p, '\\', value->len);
}

/* What flags say. Of several starts in one log the last one's count, for they stand behind the others. */
struct flag_lines {
	json_t *config;
	struct text hostname; /* of --hostname-override, which counts before the file, too */
	bool any, from_file, bad;
};

static void take_value(struct flag_lines *l, struct text name, struct text value)
{
	if (text_is(name, "config")) {
		l->from_file = value.len > 0;
		l->any = true;
	}
	if (text_is(name, "hostname-override"))
		l->hostname = value;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (!text_is(name, flags[i].name) || (flags[i].type == FLAG_PORT && !text_is(value, "0")))
			continue;
		if (!take_flag(l->config, &flags[i], value))
			l->bad = true;
	}
}

static int finish(const struct flag_lines *l, struct arena *arena, struct kube_proxy_config *ret)
{
	if (!l->from_file)
		return l->bad ? SD_EPARSE : kube_proxy_config_decode(arena, l->config, ret);
	if (!l->hostname.len || ret->known)
		return 0;
	ret->hostname_override = arena_strndup(arena, l->hostname.p, l->hostname.len);
	return ret->hostname_override ? 0 : -ENOMEM;
}

int proxy_config_from_flags(struct arena *arena, const char *data, size_t size, struct kube_proxy_config *ret)
{
	static const char mark[] = "FLAG: ";
	struct flag_lines l = { .config = json_pack("{s:s}", "kind", "KubeProxyConfiguration") };
	const char *at = data, *end = data + size;
	struct text name, value;
	int r = l.config ? 0 : -ENOMEM;

	while (r == 0 && (at = memmem(at, (size_t)(end - at), mark, sizeof(mark) - 1))) {
		const char *from = at + sizeof(mark) - 1, *eol = memchr(from, '\n', (size_t)(end - from));

		at = eol ? eol : end;
		if (split_flag((struct text){ from, (size_t)(at - from) - (at > from && at[-1] == '\r') }, &name, &value))
			take_value(&l, name, value);
	}
	if (r == 0 && l.any)
		r = finish(&l, arena, ret);
	json_decref(l.config);
	return r;
}

/* ---- the command line ---- */

static struct text next_arg(const char **at)
{
	struct text t;

	*at += strspn(*at, " \t");
	t.p = *at;
	t.len = strcspn(*at, " \t");
	*at += t.len;
	return t;
}

static bool is_bool(struct text name)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (text_is(name, flags[i].name))
			return flags[i].type == FLAG_BOOL;
	return false;
}

/*
 * The next flag of a command line: --NAME=VALUE, --NAME VALUE, or --NAME alone of a switch, which never takes the next word. A flag that is not of the
 * table takes a word that is no flag: kube-proxy has no arguments beside flags. False at the end, or behind "--".
 */
static bool next_flag(const char **at, char name[static FLAG_MAX + 1], struct text *ret_name, struct text *ret_value)
{
	struct text t;

	while ((t = next_arg(at)).len && (t.len <= 2 || memcmp(t.p, "--", 2) != 0))
		if (text_is(t, "--"))
			return false;
	if (!t.len)
		return false;
	t = (struct text){ t.p + 2, t.len - 2 };
	*ret_value = (struct text){ "true", 4 };
	*ret_name = (struct text){ name, MIN(t.len, FLAG_MAX) };
	for (size_t i = 0; i < ret_name->len; i++) {
		name[i] = t.p[i] == '_' ? '-' : t.p[i]; /* component-base/cli/flag WordSepNormalizeFunc */
		if (t.p[i] != '=')
			continue;
		*ret_value = (struct text){ t.p + i + 1, t.len - i - 1 };
		ret_name->len = i;
		return true;
	}
	if (!is_bool(*ret_name)) {
		const char *ahead = *at;
		struct text next = next_arg(&ahead);

		if (next.len && next.p[0] != '-') {
			*ret_value = next;
			*at = ahead;
		}
	}
	return true;
}

int proxy_config_from_command(struct arena *arena, const char *command, struct kube_proxy_config *ret)
{
	struct flag_lines l = { .config = json_pack("{s:s}", "kind", "KubeProxyConfiguration"), .any = true };
	char buf[FLAG_MAX + 1];
	const char *at = command;
	struct text name, value;
	int r = l.config ? 0 : -ENOMEM;

	(void)next_arg(&at);
	while (r == 0 && next_flag(&at, buf, &name, &value))
		take_value(&l, name, value);
	if (r == 0)
		r = finish(&l, arena, ret);
	json_decref(l.config);
	if (r == 0 && ret->known)
		ret->source = SNAP_FROM_COMMAND;
	return r;
}

bool proxy_command_flag(const char *command, const char *flag, char *value, size_t size)
{
	char buf[FLAG_MAX + 1];
	const char *at = command;
	struct text name, t;
	bool found = false;

	(void)next_arg(&at);
	while (next_flag(&at, buf, &name, &t)) {
		if (!text_is(name, flag) || t.len >= size)
			continue;
		memcpy(value, t.p, t.len);
		value[t.len] = '\0';
		found = true;
	}
	return found;
}
