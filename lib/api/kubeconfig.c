/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in force: context, cluster and user of the merged kubeconfig with the flags over them, judged as client-go's tools/clientcmd
 * judges (client_config.go, validation.go), and what of it goes over the wire. Where kubectl would go on with a guess at localhost:8080 or
 * ask for a user name, this ends with a record instead.
 */
#include <errno.h>

#include "kubeconfig-private.h"

enum { PEM_MAX = 4u << 20, SIMILAR = 2 };

/* Context, cluster and user after the flags. What is not in the kubeconfig is empty, and "from" without a name. */
struct choice {
	struct arena *arena;
	const struct api_flags *flags;
	struct sd_notes *notes;
	const struct kubeconfig *k;
	const char *context_name, *cluster_name, *user_name;
	struct kc_context context;
	struct kc_cluster cluster;
	struct kc_user user;
	bool failed; /* there is a note that says why */
};

static bool given(const char *s)
{
	return s && *s;
}

/* ---- records ---- */

/* The text is cleaned here: names come from files. */
static void refuse(struct choice *c, const char *code, const char *file, const char *hint, const char *fmt, ...) PRINTF_LIKE(5, 6);
static void refuse(struct choice *c, const char *code, const char *file, const char *hint, const char *fmt, ...)
{
	struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT, clean CLEANUP(strbuf_release) = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	strbuf_add_clean(&clean, strbuf_str(&text));
	sd_note_add(c->notes, true, code, file, 0, 0, hint, "%s", strbuf_str(&clean));
	c->failed = true;
}

/* "kubectl config VERB" for this choice of files. */
static const char *config_command(const struct choice *c, const char *verb)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

	strbuf_addf(&b, "kubectl config %s", verb);
	if (given(c->flags->kubeconfig)) {
		strbuf_adds(&b, " --kubeconfig ");
		add_word(&b, c->flags->kubeconfig);
	}
	return arena_strdup(c->arena, strbuf_str(&b));
}

/* "kubeconfig 'f'", or all of them. */
static const char *files_text(const struct choice *c)
{
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

	strbuf_adds(&b, "kubeconfig ");
	for (size_t i = 0; i < c->k->files.len; i++) {
		strbuf_adds(&b, i > 0 ? ", '" : "'");
		strbuf_add_clean(&b, c->k->files.v[i]);
		strbuf_addc(&b, '\'');
	}
	return c->k->files.len ? arena_strdup(c->arena, strbuf_str(&b)) : "the kubeconfig (there is none)";
}

/* " (did you mean 'x'?)" or "". */
static const char *similar(const struct choice *c, enum kc_list list, const char *name)
{
	const char *best = NULL, *text;
	unsigned distance = SIMILAR + 1;

	for (size_t i = 0; i < c->k->entries[list].len; i++) {
		const struct kc_origin *from = c->k->entries[list].v[i];
		unsigned d = edit_distance(name, from->name, SIMILAR);

		if (d < distance && d < strlen(name)) {
			distance = d;
			best = from->name;
		}
	}
	text = best ? arena_printf(c->arena, " (did you mean '%s'?)", best) : NULL;
	return text ? text : "";
}

/* ---- the choice ---- */

static void *entry(const struct choice *c, enum kc_list list, const char *name)
{
	return map_gets(&c->k->by_name[list], name);
}

static void not_there(struct choice *c, enum kc_list list, const char *what, const char *verb, const char *name)
{
	refuse(c, "not-in-kubeconfig", NULL, config_command(c, verb), "%s '%s' is not in %s%s", what, name, files_text(c),
	       similar(c, list, name));
}

static void choose_context(struct choice *c)
{
	bool named = given(c->flags->context);
	const struct kc_context *found;

	c->context_name = named ? c->flags->context : c->k->current;
	found = entry(c, KC_CONTEXTS, c->context_name);
	c->context = (struct kc_context){ .cluster = "", .user = "", .namespace_ = "" };
	if (found)
		c->context = *found;
	else if (*c->context_name)
		not_there(c, KC_CONTEXTS, named ? "context" : "the current context", "get-contexts", c->context_name);
	c->cluster_name = given(c->flags->cluster) ? c->flags->cluster : c->context.cluster;
	c->user_name = given(c->flags->user) ? c->flags->user : c->context.user;
}

static void put(const char **field, const char *flag)
{
	if (given(flag))
		*field = flag;
}

static void choose_cluster(struct choice *c)
{
	const struct api_flags *f = c->flags;
	const struct kc_cluster *found = entry(c, KC_CLUSTERS, c->cluster_name);

	c->cluster = (struct kc_cluster){ .server = "", .tls_server_name = "", .ca_file = "", .proxy_url = "", .exec_config = "" };
	if (found)
		c->cluster = *found;
	else if (given(f->cluster))
		not_there(c, KC_CLUSTERS, "cluster", "get-clusters", c->cluster_name);
	/* Trust goes with the flags as a whole, and the name in the certificate with the server. */
	if (f->insecure_skip_tls_verify > 0 || given(f->certificate_authority)) {
		c->cluster.insecure = f->insecure_skip_tls_verify > 0;
		c->cluster.ca_file = given(f->certificate_authority) ? f->certificate_authority : "";
		c->cluster.ca_data = (struct kc_data){ 0 };
	}
	if (given(f->tls_server_name) || given(f->server))
		c->cluster.tls_server_name = given(f->tls_server_name) ? f->tls_server_name : "";
	put(&c->cluster.server, f->server);
	if (!*c->cluster.server)
		put(&c->cluster.server, getenv("KUBERNETES_MASTER")); /* kubectl's default before localhost:8080 */
}

static void choose_user(struct choice *c)
{
	static const struct kc_user nobody = {
		.cert_file = "", .key_file = "", .token_file = "", .token = "", .username = "", .password = "", .as = "", .as_uid = "",
		.provider = "", .exec = { .command = "", .api_version = "", .install_hint = "", .interactive = "" },
	};
	const struct api_flags *f = c->flags;
	const struct kc_user *found = entry(c, KC_USERS, c->user_name);
	struct kc_user *u = &c->user;

	*u = found ? *found : nobody;
	if (!found && given(f->user))
		not_there(c, KC_USERS, "user", "get-users", c->user_name);
	put(&u->token, f->token);
	put(&u->username, f->username);
	put(&u->password, f->password);
	put(&u->as, f->as);
	put(&u->as_uid, f->as_uid);
	if (f->nas_groups > 0)
		u->as_groups = (struct kc_texts){ f->as_groups, f->nas_groups };
	if (given(f->client_certificate)) {
		u->cert_file = f->client_certificate;
		u->cert_data = (struct kc_data){ 0 };
	}
	if (given(f->client_key)) {
		u->key_file = f->client_key;
		u->key_data = (struct kc_data){ 0 };
	}
}

/* ---- validation ---- */

static const char *user_text(const struct choice *c)
{
	const char *s = *c->user_name ? arena_printf(c->arena, "user '%s'", c->user_name) : "the user of the flags";

	return s ? s : "the user";
}

static void check_cluster(struct choice *c)
{
	const struct kc_cluster *k = &c->cluster;

	if (*k->proxy_url && !proxy_url_ok(k->proxy_url))
		refuse(c, "bad-proxy-url", k->from.file, NULL, "proxy-url of cluster '%s' is no URL of http, https or socks5", c->cluster_name);
	if (*k->ca_file && k->ca_data.size > 0)
		refuse(c, "contradiction", k->from.file, NULL,
		       "cluster '%s' has both certificate-authority and certificate-authority-data: only one of them can count", c->cluster_name);
}

static void check_certificate(struct choice *c)
{
	const struct kc_user *u = &c->user;

	if (!*u->cert_file && u->cert_data.size == 0)
		return;
	if (*u->cert_file && u->cert_data.size > 0)
		refuse(c, "contradiction", u->from.file, NULL,
		       "%s has both client-certificate and client-certificate-data: only one of them can count", user_text(c));
	if (*u->key_file && u->key_data.size > 0)
		refuse(c, "contradiction", u->from.file, NULL, "%s has both client-key and client-key-data: only one of them can count",
		       user_text(c));
	if (!*u->key_file && u->key_data.size == 0)
		refuse(c, "no-client-key", u->from.file, NULL, "%s has a client certificate without its key (client-key or client-key-data)",
		       user_text(c));
}

static void check_exec(struct choice *c)
{
	static const char *const modes[] = { "Never", "IfAvailable", "Always", NULL };
	struct kc_exec *e = &c->user.exec;
	const char *file = c->user.from.file;

	if (!e->given)
		return;
	if (!*e->interactive && (strcmp(e->api_version, "client.authentication.k8s.io/v1beta1") == 0 ||
				 strcmp(e->api_version, "client.authentication.k8s.io/v1alpha1") == 0))
		e->interactive = "IfAvailable";
	if (c->user.has_provider)
		refuse(c, "contradiction", file, NULL, "%s has both an exec plugin and an auth-provider", user_text(c));
	if (!*e->command)
		refuse(c, "bad-exec", file, NULL, "the exec plugin of %s has no command", user_text(c));
	if (!*e->api_version)
		refuse(c, "bad-exec", file, NULL, "the exec plugin of %s has no apiVersion", user_text(c));
	for (size_t i = 0; i < e->env.len; i++) {
		if (!*e->env.v[i].name)
			refuse(c, "bad-exec", file, NULL, "the exec plugin of %s has an environment variable without a name", user_text(c));
	}
	if (!*e->interactive)
		refuse(c, "bad-exec", file, "set it to IfAvailable, Never or Always", "the exec plugin of %s has no interactiveMode, which its apiVersion needs",
		       user_text(c));
	else if (!str_one_of(e->interactive, strlen(e->interactive), modes))
		refuse(c, "bad-exec", file, NULL, "the exec plugin of %s has an unknown interactiveMode '%s'", user_text(c), e->interactive);
}

static void check_user(struct choice *c)
{
	const struct kc_user *u = &c->user;

	check_certificate(c);
	check_exec(c);
	if (*u->token && (*u->username || *u->password))
		refuse(c, "contradiction", u->from.file, NULL, "%s has both a token and a user name or password: only one of them can count",
		       user_text(c));
	if ((*u->as_uid || u->as_groups.len > 0 || u->as_extra.len > 0) && !*u->as)
		refuse(c, "contradiction", u->from.file, NULL, "%s impersonates a uid, groups or extras without a user (--as)", user_text(c));
}

/* ---- files that are named ---- */

bool pem_has(const struct kc_data *pem, const char *label)
{
	static const char begin[] = "-----BEGIN ", end[] = "-----";
	const char *p = pem->v, *stop = pem->size > 0 ? pem->v + pem->size : p;

	while (pem->size > 0 && (p = memmem(p, (size_t)(stop - p), begin, strlen(begin))) != NULL) {
		p += strlen(begin);
		const char *e = memmem(p, (size_t)(stop - p), end, strlen(end));
		size_t n = strlen(label);

		if (e && (size_t)(e - p) >= n && memcmp(e - n, label, n) == 0)
			return true;
	}
	return false;
}

static int check_pem(const char *what, const char *from, const struct kc_data *data, const char *label, struct sd_notes *notes,
		     struct api_pem *ret)
{
	struct strbuf text CLEANUP(strbuf_release) = STRBUF_INIT;

	if (pem_has(data, label)) {
		*ret = (struct api_pem){ data->v, data->size, from };
		return 0;
	}
	strbuf_addf(&text, "%s in '%s' holds no PEM block '%s'", what, from, label);
	struct strbuf clean CLEANUP(strbuf_release) = STRBUF_INIT;
	strbuf_add_clean(&clean, strbuf_str(&text));
	sd_note_add(notes, true, "bad-pem", NULL, 0, 0, NULL, "%s", strbuf_str(&clean));
	return SD_EUSAGE;
}

int read_pem(struct arena *arena, const char *path, const char *what, const char *label, struct sd_notes *notes, struct api_pem *ret)
{
	struct strbuf clean CLEANUP(strbuf_release) = STRBUF_INIT;
	struct kc_data data;
	int r = kubeconfig_read(arena, path, PEM_MAX, &data);

	if (r == -ENOMEM)
		return r;
	if (r == 0)
		return check_pem(what, path, &data, label, notes, ret);
	strbuf_add_clean(&clean, path);
	sd_note_add(notes, true, "unreadable-file", NULL, 0, 0, NULL, "cannot read %s '%s': %s", what, strbuf_str(&clean), sd_strerror(r));
	return SD_EUSAGE;
}

/* Data go before a file. None: @ret stays empty. */
static int take_pem(struct choice *c, const struct kc_data *data, const char *path, const char *what, const char *label,
		    struct api_pem *ret)
{
	int r = 0;

	if (data->size > 0)
		r = check_pem(what, c->k->files.len == 1 ? c->k->files.v[0] : "the kubeconfig", data, label, c->notes, ret);
	else if (*path)
		r = read_pem(c->arena, path, what, label, c->notes, ret);
	c->failed |= r == SD_EUSAGE;
	return r == -ENOMEM ? r : 0;
}

/* kubectl opens each of them, also where nothing of it is sent. */
static int read_files(struct choice *c, struct api_access *a)
{
	const struct kc_user *u = &c->user;
	struct kc_data token;
	int r = take_pem(c, &c->cluster.ca_data, c->cluster.ca_file, "the certificate authority", "CERTIFICATE", &a->ca);

	if (r == 0 && (*u->cert_file || u->cert_data.size > 0))
		r = take_pem(c, &u->cert_data, u->cert_file, "the client certificate", "CERTIFICATE", &a->cert);
	if (r == 0 && (*u->cert_file || u->cert_data.size > 0))
		r = take_pem(c, &u->key_data, u->key_file, "the client key", "PRIVATE KEY", &a->key);
	if (r < 0 || !*u->token_file || *u->token)
		return r;
	r = kubeconfig_read(c->arena, u->token_file, PEM_MAX, &token);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		refuse(c, "unreadable-file", NULL, NULL, "cannot read the token file '%s': %s", u->token_file, sd_strerror(r));
	else if (strspn(token.v, " \t\r\n") == token.size)
		refuse(c, "empty-token", NULL, NULL, "the token file '%s' is empty", u->token_file);
	return 0;
}

/* ---- what goes over the wire ---- */

static const char *or_null(const char *s)
{
	return s && *s ? s : NULL;
}

static int fill_exec(struct choice *c, struct api_access *a)
{
	static const char *const modes[] = { [EXEC_IF_AVAILABLE] = "IfAvailable", [EXEC_NEVER] = "Never", [EXEC_ALWAYS] = "Always" };
	const struct kc_exec *e = &c->user.exec;
	struct api_exec *x = arena_new(c->arena, struct api_exec);

	if (!x)
		return -ENOMEM;
	*x = (struct api_exec){
		.command = e->command, .api_version = e->api_version, .install_hint = or_null(e->install_hint),
		.args = e->args.v, .nargs = e->args.len, .env = e->env.v, .nenv = e->env.len,
		.provide_cluster_info = e->provide_cluster_info,
		.folder = c->user.from.folder, .cluster_config = or_null(c->cluster.exec_config),
	};
	while (strcmp(modes[x->interactive], e->interactive) != 0)
		x->interactive++;
	a->exec = x;
	return 0;
}

/* kubectl would ask for a user name now, and for a password. */
static void no_credentials(struct choice *c)
{
	const char *file = c->context.from.file, *hint = config_command(c, "view --minify");

	if (!*c->user_name)
		refuse(c, "no-credentials", file, "name a user of the kubeconfig (--user), or give a --token",
		       "there are no credentials: neither the context nor a flag names a user");
	else if (!entry(c, KC_USERS, c->user_name))
		refuse(c, "no-credentials", file, config_command(c, "get-users"), "context '%s' names the user '%s', who is not in %s%s",
		       c->context_name, c->user_name, files_text(c), similar(c, KC_USERS, c->user_name));
	else
		refuse(c, "no-credentials", c->user.from.file, hint, "%s has no credentials: no token, certificate, user name or exec plugin",
		       user_text(c));
}

/* An exec plugin is asked only where nothing else says who this is. */
static int fill_login(struct choice *c, struct api_access *a)
{
	static const char *const versions[] = { "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1", NULL };
	const struct kc_user *u = &c->user;
	bool known = *u->token || *u->token_file || *u->username || a->cert.data;

	if (*u->token_file && *u->username)
		refuse(c, "contradiction", u->from.file, NULL, "%s has both a token file and a user name: only one of them can count", user_text(c));
	if (u->exec.given && *u->exec.api_version && !str_one_of(u->exec.api_version, strlen(u->exec.api_version), versions))
		refuse(c, "bad-exec", u->from.file, "kubectl takes client.authentication.k8s.io/v1 and v1beta1: update the plugin, and the kubeconfig with it",
		       "the exec plugin of %s has the apiVersion '%s', which is not supported", user_text(c), u->exec.api_version);
	if (u->has_provider && !known)
		refuse(c, "auth-provider", u->from.file, "use the exec plugin that has replaced it, or --token",
		       "%s logs in by the auth-provider '%s', which is not supported", user_text(c), u->provider);
	if (!c->failed && !known && !u->exec.given && !u->has_provider)
		no_credentials(c);
	if (!header_ok(u->token))
		refuse(c, "bad-token", u->from.file, NULL, "the token of %s holds a line end or a control character", user_text(c));
	a->token = or_null(u->token);
	a->token_file = or_null(u->token_file);
	a->username = or_null(u->username);
	a->password = *u->username ? u->password : NULL;
	return !c->failed && u->exec.given && !known ? fill_exec(c, a) : 0;
}

/* What only goes over TLS: without, kubectl sends nothing of it. */
static int fill_tls(struct choice *c, struct api_access *a)
{
	a->tls_server_name = or_null(c->cluster.tls_server_name);
	a->insecure = c->cluster.insecure;
	if (a->insecure && (*c->cluster.ca_file || c->cluster.ca_data.size > 0))
		refuse(c, "contradiction", c->cluster.from.file, NULL,
		       "a certificate authority and insecure-skip-tls-verify contradict each other (cluster '%s')", c->cluster_name);
	return fill_login(c, a);
}

static void fill_names(struct choice *c, struct api_access *a)
{
	const struct kc_user *u = &c->user;

	a->context = or_null(c->context.from.name);
	a->cluster = or_null(c->cluster.from.name);
	a->user = or_null(u->from.name);
	a->namespace_ = given(c->flags->namespace_) ? c->flags->namespace_ : or_null(c->context.namespace_);
	a->as = or_null(u->as);
	a->as_uid = or_null(u->as_uid);
	a->as_groups = u->as_groups.v;
	a->nas_groups = u->as_groups.len;
	a->as_extra = u->as_extra.v;
	a->nas_extra = u->as_extra.len;
	a->proxy_url = or_null(c->cluster.proxy_url);
	a->disable_compression = c->cluster.disable_compression || c->flags->disable_compression;
}

static int fill_server(struct choice *c, struct api_access *a)
{
	struct server_url url;
	const char *why, *file = c->context.from.file ? c->context.from.file : c->cluster.from.file;
	int r = server_parse(c->arena, c->cluster.server, &url, &why);

	if (r == -ENOMEM)
		return r;
	if (r < 0) {
		refuse(c, "bad-server", given(c->flags->server) ? NULL : c->cluster.from.file, NULL, "the server of %s cannot be used: %s",
		       given(c->flags->server) ? "--server" : c->cluster_name, why);
		return 0;
	}
	a->server = url.url;
	if (given(c->flags->server) && !file)
		a->source = "--server";
	else
		a->source = file ? arena_printf(c->arena, "kubeconfig '%s'", file) : "KUBERNETES_MASTER";
	if (!a->source)
		return -ENOMEM;
	if (url.tls)
		r = fill_tls(c, a);
	else
		a->ca = a->cert = a->key = (struct api_pem){ 0 };
	if (r == 0 && url.username) { /* of the URL, which goes before all other ways to say who this is, as in Go */
		a->username = url.username;
		a->password = url.password;
		a->token = a->token_file = NULL;
		a->exec = NULL;
	}
	return r;
}

/* ---- nothing chosen ---- */

/* Nothing names a server. -ENOENT: there is nothing at all. */
static int no_server(struct choice *c)
{
	const struct kubeconfig *k = c->k;

	if (c->failed)
		return SD_EUSAGE;
	if (*c->cluster_name && !entry(c, KC_CLUSTERS, c->cluster_name))
		refuse(c, "not-in-kubeconfig", c->context.from.file, config_command(c, "get-clusters"),
		       "context '%s' names the cluster '%s', which is not in %s%s", c->context_name, c->cluster_name, files_text(c),
		       similar(c, KC_CLUSTERS, c->cluster_name));
	else if (*c->cluster_name)
		refuse(c, "no-server", c->cluster.from.file, config_command(c, "get-clusters"), "cluster '%s' has no server", c->cluster_name);
	else if (*c->context_name)
		refuse(c, "no-server", c->context.from.file, config_command(c, "get-contexts"), "context '%s' names no cluster", c->context_name);
	else if (k->entries[KC_CONTEXTS].len > 0 || k->entries[KC_CLUSTERS].len > 0)
		refuse(c, "no-context", NULL, config_command(c, "get-contexts"), "%s has no current-context: choose one with --context",
		       files_text(c));
	for (size_t i = 0; i < k->missing.len; i++)
		sd_note_add(c->notes, false, "no-kubeconfig", k->missing.v[i], 0, 0, NULL, "KUBECONFIG names '%s', which is not there",
			    k->missing.v[i]);
	return c->failed ? SD_EUSAGE : -ENOENT;
}

static int judge(struct choice *c, const char *account, struct api_access *a)
{
	int r;

	choose_context(c);
	choose_cluster(c);
	choose_user(c);
	check_cluster(c);
	check_user(c);
	if (given(c->flags->request_timeout) && parse_timeout(c->flags->request_timeout, &a->request_timeout_ms) < 0)
		refuse(c, "bad-timeout", NULL, "seconds, or a number with a unit: 30s, 1m30s", "--request-timeout '%s' is no duration",
		       c->flags->request_timeout);
	if (!*c->cluster.server) {
		if (!c->failed && !*c->context_name && !*c->cluster_name && account_possible(account))
			return account_access(c->arena, account, c->flags, c->notes, a);
		return no_server(c);
	}
	fill_names(c, a);
	r = read_files(c, a);
	if (r == 0)
		r = fill_server(c, a);
	if (r == 0 && !a->namespace_ && account_possible(account)) /* as kubectl does in a pod */
		a->namespace_ = account_namespace(c->arena, account);
	return r < 0 ? r : c->failed ? SD_EUSAGE : 0;
}

int kubeconfig_access(struct arena *arena, const struct api_flags *flags, const char *account, struct sd_notes *notes,
		      struct api_access *ret)
{
	struct kubeconfig k CLEANUP(kubeconfig_release) = { .current = "" };
	struct choice c = { .arena = arena, .flags = flags, .notes = notes, .k = &k };
	struct api_access a = { 0 };
	int r = kubeconfig_load(arena, flags->kubeconfig, notes, &k);

	if (r == 0)
		r = judge(&c, account, &a);
	if (r == 0)
		*ret = a;
	return r;
}

int api_access_load(struct arena *arena, const struct api_flags *flags, struct sd_notes *notes, struct api_access *ret)
{
	return kubeconfig_access(arena, flags, ACCOUNT_FOLDER, notes, ret);
}
