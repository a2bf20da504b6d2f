/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kubeconfigs: which files, how they are merged, what flags do over them, what is refused and where it says that it stands. */

#include <errno.h>
#include <setjmp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <svcdoctor/api.h>

#include <cmocka.h>

#include "lib/api/kubeconfig-private.h"

struct world {
	char folder[64];
	struct arena arena;
	struct sd_notes notes;
	struct strbuf text; /* what came of the last run */
};

static const char *path(struct world *w, const char *name)
{
	return arena_printf(&w->arena, "%s/%s", w->folder, name);
}

static void put(struct world *w, const char *name, const char *text)
{
	FILE *f = fopen(path(w, name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	static const char *const names[] = { "KUBECONFIG", "KUBERNETES_MASTER", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "POD_NAMESPACE" };
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	(void)snprintf(w->folder, sizeof(w->folder), "/tmp/svcdoctor-unit-XXXXXX");
	if (!mkdtemp(w->folder) || mkdir(path(w, "sub"), 0700) < 0 || mkdir(path(w, ".kube"), 0700) < 0 || mkdir(path(w, "account"), 0700) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unsetenv(names[i]);
	(void)setenv("HOME", w->folder, 1);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "sub/a", "sub/ca", "sub", ".kube/config", ".kube/.kubeconfig", ".kube", "account/token", "account/ca.crt",
					     "account/namespace", "account", "a", "b", "ca", "cert", "key", "token" };
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)remove(path(w, names[i]));
	(void)rmdir(w->folder);
	arena_release(&w->arena);
	sd_notes_release(&w->notes);
	strbuf_release(&w->text);
	free(w);
	return 0;
}

/* The temporary folder is "@" in what is compared. */
static void add_text(struct world *w, const char *name, const char *value)
{
	const char *hit;

	if (!value)
		return;
	strbuf_addf(&w->text, "%s%s", w->text.len ? " " : "", name);
	while ((hit = strstr(value, w->folder))) {
		strbuf_add(&w->text, value, (size_t)(hit - value));
		strbuf_addc(&w->text, '@');
		value = hit + strlen(w->folder);
	}
	strbuf_adds(&w->text, value);
}

static void add_access(struct world *w, const struct api_access *a)
{
	add_text(w, "", a->server);
	add_text(w, "ns=", a->namespace_);
	add_text(w, "ca=", a->ca.from);
	add_text(w, "cert=", a->cert.from);
	add_text(w, "key=", a->key.from);
	add_text(w, "token=", a->token);
	add_text(w, "token-file=", a->token_file);
	add_text(w, "user=", a->username);
	add_text(w, "password=", a->password);
	add_text(w, "exec=", a->exec ? a->exec->command : NULL);
	add_text(w, "sni=", a->tls_server_name);
	add_text(w, "proxy=", a->proxy_url);
	add_text(w, "", a->insecure ? "insecure" : NULL);
	add_text(w, "", a->disable_compression ? "uncompressed" : NULL);
	add_text(w, "as=", a->as);
	add_text(w, "as-uid=", a->as_uid);
	for (size_t i = 0; i < a->nas_groups; i++)
		add_text(w, "as-group=", a->as_groups[i]);
	for (size_t i = 0; i < a->nas_extra; i++) {
		add_text(w, "extra-", a->as_extra[i].name);
		add_text(w, "=", a->as_extra[i].value);
	}
}

static void add_note(struct world *w, const struct sd_note *n)
{
	add_text(w, "| ", n->text);
	if (n->line)
		strbuf_addf(&w->text, " at %u:%u", n->line, n->column);
	add_text(w, "-> ", n->hint);
}

/* What is in force, then the records; without the former when it is refused. */
static void expect(struct world *w, const struct api_flags *flags, int code, const char *want)
{
	struct api_access a;
	int r;

	sd_notes_release(&w->notes);
	memset(&w->notes, 0, sizeof(w->notes));
	strbuf_reset(&w->text);
	r = kubeconfig_access(&w->arena, flags, path(w, "account"), &w->notes, &a);
	if (r == 0)
		add_access(w, &a);
	for (size_t i = 0; i < w->notes.len; i++)
		add_note(w, &w->notes.v[i]);
	assert_string_equal(strbuf_str(&w->text), want);
	assert_int_equal(r, code);
}

#define FLAGS(...) (&(struct api_flags){ __VA_ARGS__ })
#define NO_FLAGS (&(struct api_flags){ 0 })
#define CLUSTER(name, fields) "- {name: " name ", cluster: {" fields "}}\n"
#define USER(name, fields) "- {name: " name ", user: {" fields "}}\n"
#define CONTEXT(name, fields) "- {name: " name ", context: {" fields "}}\n"
#define CONFIG(current, contexts, clusters, users) \
	"current-context: " current "\ncontexts:\n" contexts "clusters:\n" clusters "users:\n" users
#define ONE(cluster, user) CONFIG("x", CONTEXT("x", "cluster: c, user: u"), CLUSTER("c", cluster), USER("u", user))
#define PEM "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
#define KEY "-----BEGIN EC PRIVATE KEY-----\nAA==\n-----END EC PRIVATE KEY-----\n"
#define PEM64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBPT0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="

static void test_files(void **state)
{
	struct world *w = *state;

	expect(w, NO_FLAGS, -ENOENT, "");
	put(w, ".kube/.kubeconfig", ONE("server: https://old", "token: t"));
	expect(w, NO_FLAGS, 0, "https://old token=t");
	put(w, ".kube/config", ONE("server: https://home", "token: t"));
	expect(w, NO_FLAGS, 0, "https://home token=t");
	put(w, "a", ONE("server: https://a", "token: t"));
	expect(w, FLAGS(.kubeconfig = path(w, "a")), 0, "https://a token=t");
	(void)setenv("KUBECONFIG", path(w, "a"), 1);
	expect(w, NO_FLAGS, 0, "https://a token=t");
	(void)setenv("KUBECONFIG", "", 1);
	expect(w, NO_FLAGS, 0, "https://home token=t");
	(void)setenv("KUBECONFIG", "/dev/null", 1);
	expect(w, NO_FLAGS, -ENOENT, "");
	expect(w, FLAGS(.kubeconfig = path(w, "none")), SD_EUSAGE, "| there is no kubeconfig '@/none' -> without --kubeconfig, the files of KUBECONFIG or ~/.kube/config count");
	expect(w, FLAGS(.kubeconfig = path(w, "sub")), SD_EUSAGE, "| cannot read kubeconfig '@/sub': Is a directory -> name another one with --kubeconfig");
}

static void test_list(void **state)
{
	struct world *w = *state;

	put(w, "a", CONFIG("''", CONTEXT("x", "cluster: c, user: u"), CLUSTER("c", "server: https://a"), " []\n"));
	put(w, "b", CONFIG("x", CONTEXT("x", "cluster: d"), CLUSTER("c", "server: https://b"), USER("u", "token: b")));
	(void)setenv("KUBECONFIG", arena_printf(&w->arena, ":%s:%s::%s:%s:", path(w, "none"), path(w, "a"), path(w, "b"), path(w, "a")), 1);
	expect(w, NO_FLAGS, 0, "https://a token=b");
	(void)setenv("KUBECONFIG", arena_printf(&w->arena, "%s:%s", path(w, "b"), path(w, "a")), 1);
	expect(w, NO_FLAGS, SD_EUSAGE,
	       "| context 'x' names the cluster 'd', which is not in kubeconfig '@/b', '@/a' -> kubectl config get-clusters");
	(void)setenv("KUBECONFIG", arena_printf(&w->arena, "%s:/none", path(w, "none")), 1);
	expect(w, NO_FLAGS, -ENOENT, "| KUBECONFIG names '@/none', which is not there | KUBECONFIG names '/none', which is not there");
}

static void test_paths(void **state)
{
	struct world *w = *state;

	put(w, "sub/a", ONE("server: https://s, certificate-authority: ./../ca", "tokenFile: ../token"));
	put(w, "ca", PEM);
	put(w, "token", "t\n");
	expect(w, FLAGS(.kubeconfig = path(w, "sub/a")), 0, "https://s ca=@/ca token-file=@/token");
	(void)remove(path(w, "token"));
	expect(w, FLAGS(.kubeconfig = path(w, "sub/a")), SD_EUSAGE, "| cannot read the token file '@/token': No such file or directory");
	put(w, "token", " \n");
	expect(w, FLAGS(.kubeconfig = path(w, "sub/a")), SD_EUSAGE, "| the token file '@/token' is empty");
	expect(w, FLAGS(.kubeconfig = path(w, "sub/a"), .token = "x"), 0, "https://s ca=@/ca token=x token-file=@/token");
	put(w, "ca", "nothing");
	expect(w, FLAGS(.kubeconfig = path(w, "sub/a"), .token = "x"), SD_EUSAGE,
	       "| the certificate authority in '@/ca' holds no PEM block 'CERTIFICATE'");
}

static void test_choice(void **state)
{
	struct world *w = *state;
	const char *two = CONFIG("one", CONTEXT("one", "cluster: a, user: u, namespace: ns") CONTEXT("two", "cluster: b, user: v"),
				 CLUSTER("a", "server: https://a") CLUSTER("b", "server: https://b"), USER("u", "token: u") USER("v", "username: v"));

	put(w, ".kube/config", two);
	expect(w, NO_FLAGS, 0, "https://a ns=ns token=u");
	expect(w, FLAGS(.context = "two"), 0, "https://b user=v password=");
	expect(w, FLAGS(.cluster = "b"), 0, "https://b ns=ns token=u");
	expect(w, FLAGS(.user = "v", .namespace_ = "m"), 0, "https://a ns=m user=v password=");
	expect(w, FLAGS(.context = "tow"), SD_EUSAGE,
	       "| context 'tow' is not in kubeconfig '@/.kube/config' (did you mean 'two'?) -> kubectl config get-contexts");
	expect(w, FLAGS(.cluster = "nowhere"), SD_EUSAGE, "| cluster 'nowhere' is not in kubeconfig '@/.kube/config' -> kubectl config get-clusters");
	expect(w, FLAGS(.user = "nobody"), SD_EUSAGE, "| user 'nobody' is not in kubeconfig '@/.kube/config' -> kubectl config get-users");
	put(w, "a", CONFIG("elsewhere", CONTEXT("one", "cluster: a"), CLUSTER("a", "server: https://a"), " []\n"));
	expect(w, FLAGS(.kubeconfig = path(w, "a")), SD_EUSAGE,
	       "| the current context 'elsewhere' is not in kubeconfig '@/a' -> kubectl config get-contexts --kubeconfig @/a");
	expect(w, FLAGS(.kubeconfig = path(w, "a"), .context = "one"), SD_EUSAGE,
	       "| there are no credentials: neither the context nor a flag names a user -> name a user of the kubeconfig (--user), or give a --token");
	put(w, "a", CONFIG("''", CONTEXT("one", "cluster: a"), CLUSTER("a", "server: https://a"), " []\n"));
	expect(w, FLAGS(.kubeconfig = path(w, "a")), SD_EUSAGE,
	       "| kubeconfig '@/a' has no current-context: choose one with --context -> kubectl config get-contexts --kubeconfig @/a");
	put(w, "a", ONE("insecure-skip-tls-verify: true", "token: t"));
	expect(w, FLAGS(.kubeconfig = path(w, "a")), SD_EUSAGE, "| cluster 'c' has no server -> kubectl config get-clusters --kubeconfig @/a");
	(void)setenv("KUBERNETES_MASTER", "https://master", 1);
	expect(w, FLAGS(.kubeconfig = path(w, "a")), 0, "https://master token=t insecure");
}

static void test_flags(void **state)
{
	struct world *w = *state;
	const char *const groups[] = { "g", "h" };
	const char *file;

	put(w, "a", ONE("server: https://s, tls-server-name: name, certificate-authority-data: " PEM64, "username: u, password: p, as: x, as-groups: [yy]"));
	put(w, "ca", PEM);
	put(w, "cert", PEM);
	put(w, "key", KEY);
	file = path(w, "a");
	expect(w, FLAGS(.kubeconfig = file), 0, "https://s ca=@/a user=u password=p sni=name as=x as-group=yy");
	expect(w, FLAGS(.kubeconfig = file, .server = "https://t/"), 0, "https://t ca=@/a user=u password=p as=x as-group=yy");
	expect(w, FLAGS(.kubeconfig = file, .server = "https://t", .tls_server_name = "n"), 0,
	       "https://t ca=@/a user=u password=p sni=n as=x as-group=yy");
	expect(w, FLAGS(.kubeconfig = file, .insecure_skip_tls_verify = 1), 0, "https://s user=u password=p sni=name insecure as=x as-group=yy");
	expect(w, FLAGS(.kubeconfig = file, .certificate_authority = path(w, "ca")), 0,
	       "https://s ca=@/ca user=u password=p sni=name as=x as-group=yy");
	expect(w, FLAGS(.kubeconfig = file, .certificate_authority = path(w, "ca"), .insecure_skip_tls_verify = 1), SD_EUSAGE,
	       "| a certificate authority and insecure-skip-tls-verify contradict each other (cluster 'c')");
	expect(w, FLAGS(.kubeconfig = file, .token = "t"), SD_EUSAGE, "| user 'u' has both a token and a user name or password: only one of them can count");
	expect(w, FLAGS(.kubeconfig = file, .username = "v", .as = "z", .as_groups = groups, .nas_groups = 2, .as_uid = "7", .disable_compression = true), 0,
	       "https://s ca=@/a user=v password=p sni=name uncompressed as=z as-uid=7 as-group=g as-group=h");
	expect(w, FLAGS(.kubeconfig = file, .client_certificate = path(w, "cert")), SD_EUSAGE,
	       "| user 'u' has a client certificate without its key (client-key or client-key-data)");
	expect(w, FLAGS(.kubeconfig = file, .client_certificate = path(w, "cert"), .client_key = path(w, "key")), 0,
	       "https://s ca=@/a cert=@/cert key=@/key user=u password=p sni=name as=x as-group=yy");
	expect(w, FLAGS(.kubeconfig = file, .request_timeout = "soon"), SD_EUSAGE,
	       "| --request-timeout 'soon' is no duration -> seconds, or a number with a unit: 30s, 1m30s");
	expect(w, FLAGS(.server = "https://t", .token = "t"), 0, "https://t token=t");
}

static void test_servers(void **state)
{
	static const struct {
		const char *server, *want;
		int code;
	} rows[] = {
		{ "https://h:6443/", "https://h:6443 token=t", 0 },
		{ "https://h/k8s/clusters/c-1//?a=b#c", "https://h/k8s/clusters/c-1 token=t", 0 },
		{ "HTTPS://[::1]:6443", "https://[::1]:6443 token=t", 0 },
		{ "http://h:8001", "http://h:8001", 0 },
		{ "h:8001", "http://h:8001", 0 },
		{ "10.0.0.1", "http://10.0.0.1", 0 },
		{ "https://a:b%40@h", "https://h user=a password=b@", 0 },
		{ "h:8001/path", "| the server of c cannot be used: it is neither a URL nor a host with a port", SD_EUSAGE },
		{ "ftp://h", "| the server of c cannot be used: its scheme is neither http nor https", SD_EUSAGE },
		{ "https://h h", "| the server of c cannot be used: it is no valid URL", SD_EUSAGE },
		{ "https://h:99999", "| the server of c cannot be used: it is no valid URL", SD_EUSAGE },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put(w, "a", arena_printf(&w->arena, ONE("server: '%s'", "token: t"), rows[i].server));
		expect(w, FLAGS(.kubeconfig = path(w, "a")), rows[i].code, rows[i].want);
	}
}

static void test_contradictions(void **state)
{
	static const struct {
		const char *cluster, *user, *want;
	} rows[] = {
		{ "", "token: a, username: b", "| user 'u' has both a token and a user name or password: only one of them can count" },
		{ "", "tokenFile: token, username: b", "| user 'u' has both a token file and a user name: only one of them can count" },
		{ "", "client-certificate-data: " PEM64, "| user 'u' has a client certificate without its key (client-key or client-key-data)" },
		{ "", "client-certificate: none, client-key: key", "| cannot read the client certificate '@/none': No such file or directory" },
		{ "", "client-certificate-data: " PEM64 ", client-key-data: " PEM64,
		  "| the client key in '@/a' holds no PEM block 'PRIVATE KEY'" },
		{ "", "token: t, as-groups: [g]", "| user 'u' impersonates a uid, groups or extras without a user (--as)" },
		{ "", "auth-provider: {name: gcp}",
		  "| user 'u' logs in by the auth-provider 'gcp', which is not supported -> use the exec plugin that has replaced it, or --token" },
		{ "", "", "| user 'u' has no credentials: no token, certificate, user name or exec plugin -> kubectl config view --minify --kubeconfig @/a" },
		{ "", "token: \"a\\nb\"", "| the token of user 'u' holds a line end or a control character" },
		{ "certificate-authority: ca, certificate-authority-data: " PEM64, "token: t",
		  "| cluster 'c' has both certificate-authority and certificate-authority-data: only one of them can count" },
		{ "certificate-authority: none", "token: t", "| cannot read the certificate authority '@/none': No such file or directory" },
		{ "insecure-skip-tls-verify: true, certificate-authority: ca", "token: t",
		  "| a certificate authority and insecure-skip-tls-verify contradict each other (cluster 'c')" },
		{ "proxy-url: 'localhost:3128'", "token: t", "| proxy-url of cluster 'c' is no URL of http, https or socks5" },
		{ "proxy-url: 'socks4://h'", "token: t", "| proxy-url of cluster 'c' is no URL of http, https or socks5" },
		{ "", "exec: {apiVersion: client.authentication.k8s.io/v1beta1}", "| the exec plugin of user 'u' has no command" },
		{ "", "exec: {command: x, interactiveMode: Never}",
		  "| the exec plugin of user 'u' has no apiVersion" },
		{ "", "exec: {command: x, apiVersion: client.authentication.k8s.io/v1}",
		  "| the exec plugin of user 'u' has no interactiveMode, which its apiVersion needs -> set it to IfAvailable, Never or Always" },
		{ "", "exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1, interactiveMode: never}",
		  "| the exec plugin of user 'u' has an unknown interactiveMode 'never'" },
		{ "", "exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}",
		  "| the exec plugin of user 'u' has the apiVersion 'client.authentication.k8s.io/v1alpha1', which is not supported -> kubectl takes "
		  "client.authentication.k8s.io/v1 and v1beta1: update the plugin, and the kubeconfig with it" },
		{ "", "exec: {command: x, apiVersion: client.authentication.k8s.io/v1beta1, env: [{value: a}]}",
		  "| the exec plugin of user 'u' has an environment variable without a name" },
	};
	struct world *w = *state;

	put(w, "ca", PEM);
	put(w, "key", KEY);
	put(w, "token", "t");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put(w, "a", arena_printf(&w->arena, ONE("server: 'https://s'%s%s", "%s"), *rows[i].cluster ? ", " : "", rows[i].cluster, rows[i].user));
		expect(w, FLAGS(.kubeconfig = path(w, "a")), SD_EUSAGE, rows[i].want);
	}
}

static void test_places(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "clusters: [\n", "| the kubeconfig cannot be read: did not find expected node content at 2:1" },
		{ "- a\n", "| the document must be a mapping, not a list at 1:1" },
		{ "kind: Secret\n", "| the document is no kubeconfig: it must have kind Config and apiVersion v1 at 1:1" },
		{ "apiVersion: v2\n", "| the document is no kubeconfig: it must have kind Config and apiVersion v1 at 1:1" },
		{ "clusters: {}\n", "| 'clusters' must be a list, not a mapping at 1:11" },
		{ "users:\n- name: a\n  user:\n    token: 12345\n",
		  "| 'users[0].user.token' must be text, not a number at 4:12 -> put the value in double quotes" },
		{ "contexts:\n- name: b\n  context: {namespace: on}\n",
		  "| 'contexts[0].context.namespace' must be text, not a yes or no at 3:24 -> put the value in double quotes" },
		{ "users: [{user: {as-groups: x}}]\n", "| 'users[0].user.as-groups' must be a list of texts, not text at 1:28" },
		{ "users: [{user: {as-user-extra: {k: x}}}]\n", "| 'users[0].user.as-user-extra.k' must be a list of texts, not text at 1:36" },
		{ "users: [{user: {client-key-data: '%'}}]\n", "| 'users[0].user.client-key-data' is no valid base64 at 1:34" },
		{ "clusters: [{cluster: {insecure-skip-tls-verify: 'true'}}]\n",
		  "| 'clusters[0].cluster.insecure-skip-tls-verify' must be true or false, not text at 1:49" },
		{ "users: [{name: a}, {name: a}]\n", "| 'users[1]' has the name 'a', as another entry of the list at 1:20" },
		{ "users: [{user: {exec: {env: [{name: []}]}}}]\n", "| 'users[0].user.exec.env[0].name' must be text, not a list at 1:37" },
		{ "preferences: {colors: maybe}\n", "| 'preferences.colors' must be true or false, not text at 1:23" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put(w, "a", rows[i].text);
		expect(w, FLAGS(.kubeconfig = path(w, "a")), SD_EPARSE, rows[i].want);
	}
}

static void test_forms(void **state)
{
	struct world *w = *state;

	put(w, "a", "{\"current-context\": \"x\", \"contexts\": [{\"name\": \"x\", \"context\": {\"cluster\": \"c\", \"user\": \"u\"}}],\n"
		    "\t\"clusters\": [{\"name\": \"c\", \"cluster\": {\"server\": \"https:\\/\\/s\", \"unknown\": 1}}],\n"
		    "\"users\": [{\"name\": \"u\", \"user\": {\"token\": \"t\", \"exec\": null}}], \"extensions\": null}");
	expect(w, FLAGS(.kubeconfig = path(w, "a")), 0, "https://s token=t");
	put(w, "a", "# nothing\n");
	expect(w, FLAGS(.kubeconfig = path(w, "a")), -ENOENT, "");
	put(w, "a", ONE("server: https://s, proxy-url: 'socks5://p:1', disable-compression: true", "token: t, as: a, as-uid: '1', as-user-extra: {k: [v, x], l: [z]}"));
	expect(w, FLAGS(.kubeconfig = path(w, "a")), 0,
	       "https://s token=t proxy=socks5://p:1 uncompressed as=a as-uid=1 extra-k =v extra-k =x extra-l =z");
	put(w, "a", ONE("server: http://s, certificate-authority-data: " PEM64, "token: t, as: a"));
	expect(w, FLAGS(.kubeconfig = path(w, "a")), 0, "http://s as=a");
}

static void test_exec(void **state)
{
	struct world *w = *state;
	struct api_access a;

	put(w, "sub/a", ONE("server: https://s, extensions: [{name: client.authentication.k8s.io/exec, extension: {b: 1, a: [x]}}]",
			    "exec: {command: bin/login, args: [a, b], env: [{name: E, value: v}], apiVersion: client.authentication.k8s.io/v1, "
			    "interactiveMode: Always, provideClusterInfo: true, installHint: get it}"));
	assert_int_equal(kubeconfig_access(&w->arena, FLAGS(.kubeconfig = path(w, "sub/a")), "/none", &w->notes, &a), 0);
	assert_string_equal(a.exec->command, path(w, "sub/bin/login"));
	assert_int_equal(a.exec->nargs, 2);
	assert_string_equal(a.exec->args[1], "b");
	assert_int_equal(a.exec->nenv, 1);
	assert_string_equal(a.exec->env[0].value, "v");
	assert_int_equal(a.exec->interactive, EXEC_ALWAYS);
	assert_string_equal(a.exec->cluster_config, "{\"a\":[\"x\"],\"b\":1}");
	assert_string_equal(exec_info(&w->arena, &a, true),
			    "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"spec\":{\"cluster\":{\"server\":\"https://s\","
			    "\"config\":{\"a\":[\"x\"],\"b\":1}},\"interactive\":true}}");
	/* Whoever is known otherwise asks no plugin. */
	assert_int_equal(kubeconfig_access(&w->arena, FLAGS(.kubeconfig = path(w, "sub/a"), .token = "t"), "/none", &w->notes, &a), 0);
	assert_null(a.exec);
	put(w, "sub/a", ONE("server: https://s", "exec: {command: login, apiVersion: client.authentication.k8s.io/v1beta1}"));
	expect(w, FLAGS(.kubeconfig = path(w, "sub/a")), 0, "https://s exec=login");
}

static void test_account(void **state)
{
	struct world *w = *state;

	(void)setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
	expect(w, NO_FLAGS, -ENOENT, "");
	(void)setenv("KUBERNETES_SERVICE_PORT", "443", 1);
	expect(w, NO_FLAGS, -ENOENT, "");
	put(w, "account/token", "t");
	expect(w, NO_FLAGS, 0,
	       "https://10.96.0.1:443 token-file=@/account/token | cannot read the account's certificate authority '@/account/ca.crt': No such file or "
	       "directory: the machine's own authorities count");
	put(w, "account/ca.crt", PEM);
	put(w, "account/namespace", "shop\n");
	(void)setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
	expect(w, NO_FLAGS, 0, "https://[fd00::1]:443 ns=shop ca=@/account/ca.crt token-file=@/account/token");
	expect(w, FLAGS(.token = "x", .namespace_ = "n", .as = "y"), 0, "https://[fd00::1]:443 ns=n ca=@/account/ca.crt token=x as=y");
	(void)setenv("POD_NAMESPACE", "pod", 1);
	expect(w, NO_FLAGS, 0, "https://[fd00::1]:443 ns=pod ca=@/account/ca.crt token-file=@/account/token");
	expect(w, FLAGS(.context = "c"), SD_EUSAGE, "| context 'c' is not in the kubeconfig (there is none) -> kubectl config get-contexts");
	/* A kubeconfig goes before the account, but for the namespace that it does not name. */
	put(w, ".kube/config", ONE("server: https://s", "token: t"));
	expect(w, NO_FLAGS, 0, "https://s ns=pod token=t");
	put(w, ".kube/config", "contexts: []\n");
	expect(w, NO_FLAGS, 0, "https://[fd00::1]:443 ns=pod ca=@/account/ca.crt token-file=@/account/token");
}

static void test_timeouts(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} rows[] = {
		{ "0", 0 },	   { "5", 5000 },      { "30s", 30000 },   { "1m30s", 90000 }, { "1.5h", 5400000 }, { "250ms", 250 },
		{ "10us", 1 },	   { ".5s", 500 },     { "", -1 },	   { "-1s", -1 },      { "5x", -1 },	    { "s", -1 },
		{ "1m 30s", -1 }, { "99999999h", -1 }, { "5s5", -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t ms = -1;

		assert_int_equal(parse_timeout(rows[i].text, &ms), rows[i].ms < 0 ? SD_EPARSE : 0);
		assert_int_equal(ms, rows[i].ms);
	}
}

static void test_flags_text(void **state)
{
	const char *const groups[] = { "g 1", "it's" };
	struct strbuf b CLEANUP(strbuf_release) = STRBUF_INIT;

	(void)state;
	api_flags_text(FLAGS(.token = "secret", .password = "secret", .username = "u"), &b);
	assert_string_equal(strbuf_str(&b), "");
	api_flags_text(FLAGS(.kubeconfig = "/a b/c", .context = "x@y", .as = "u", .as_groups = groups, .nas_groups = 2, .insecure_skip_tls_verify = 1), &b);
	assert_string_equal(strbuf_str(&b),
			    " --kubeconfig '/a b/c' --context x@y --insecure-skip-tls-verify --as u --as-group 'g 1' --as-group 'it'\\''s'");
}

static void test_base64(void **state)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} rows[] = {
		{ "", "" },	    { "QQ==", "A" },   { "QUI=", "AB" }, { "QUJD", "ABC" }, { "QUJD\nRA==\r\n", "ABCD" },
		{ "QQ", NULL },	    { "QQ=", NULL },   { "Q", NULL },	 { "QQ==QQ==", NULL }, { "QU JD", NULL },
		{ "QQ===", NULL }, { "====", NULL }, { "QU-_", NULL },
	};
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct strbuf back CLEANUP(strbuf_release) = STRBUF_INIT;
		struct kc_data d;

		assert_int_equal(base64_decode(&w->arena, rows[i].text, strlen(rows[i].text), &d), rows[i].want ? 0 : SD_EPARSE);
		if (rows[i].want) {
			assert_string_equal(d.v, rows[i].want);
			base64_encode(&back, d.v, d.size);
			assert_int_equal(strncmp(strbuf_str(&back), rows[i].text, 4), 0);
		}
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_files),   TEST(test_list),	      TEST(test_paths),	 TEST(test_choice),   TEST(test_flags),
		TEST(test_servers), TEST(test_contradictions), TEST(test_places), TEST(test_forms),    TEST(test_exec),
		TEST(test_account), TEST(test_timeouts),      TEST(test_flags_text), TEST(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
