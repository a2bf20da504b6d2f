/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef SVCDOCTOR_API_H
#define SVCDOCTOR_API_H

/*
 * The way to a Kubernetes API server: kubeconfig as kubectl reads it, credentials, and requests. It knows nothing of Services: what an
 * answer means is its caller's affair (lib/source/live*.c). It only ever sends GET.
 *
 *   struct api_flags ---- api_access_load ----> struct api_access ---- api_open ----> struct api ---- api_list, api_get, api_run
 *
 * One thread. Requests are queued with api_list and api_get, also from inside callbacks, and run side by side by api_run, on one
 * HTTP/2 connection where the server speaks it.
 */

#include <signal.h>

#include <svcdoctor/base.h>

/* ---- who and where: kubeconfig ---- */

/* kubectl's flags of the same names; NULL or empty: not given. */
struct api_flags {
	const char *kubeconfig, *context, *cluster, *user, *server, *namespace_;
	const char *token, *username, *password;
	const char *certificate_authority, *client_certificate, *client_key, *tls_server_name;
	int insecure_skip_tls_verify; /* -1 not given, else 0 or 1 */
	const char *as, *as_uid;
	const char *const *as_groups;
	size_t nas_groups;
	const char *request_timeout; /* "30s", "1m30s", "5" (seconds), "0": none */
	bool disable_compression;    /* as in kubectl, false does not take back what the kubeconfig says */
};

/* PEM text; NULL: none. */
struct api_pem {
	const char *data;
	size_t size;
	const char *from; /* "the kubeconfig", or the file: for messages */
};

/* A plugin that hands out credentials: client.authentication.k8s.io, v1 or v1beta1. */
struct api_exec_env {
	const char *name, *value;
};
struct api_exec {
	const char *command, *api_version, *install_hint;
	const char *const *args;
	size_t nargs;
	const struct api_exec_env *env;
	size_t nenv;
	bool provide_cluster_info;
	enum { EXEC_IF_AVAILABLE, EXEC_NEVER, EXEC_ALWAYS } interactive;
	const char *folder;	     /* relative commands start here: the kubeconfig's */
	const char *cluster_config; /* JSON text of the cluster's extension client.authentication.k8s.io/exec; NULL */
};

/* What is in force once everything is merged. All strings live in the arena that was given to api_access_load. */
struct api_access {
	const char *server;	   /* "https://10.0.0.1:6443/prefix", no slash at the end */
	const char *namespace_;	   /* --namespace, the context's, the in-cluster account's; NULL: none says, "default" */
	const char *context, *cluster, *user; /* names in the kubeconfig; NULL: none, or given by flags */
	const char *source;	   /* "kubeconfig '/root/.kube/config'", "the in-cluster account": for messages and looked_at */
	bool in_cluster;

	struct api_pem ca, cert, key;
	bool insecure;
	const char *tls_server_name; /* NULL: the server's */
	const char *proxy_url;	   /* NULL: as the environment says (HTTPS_PROXY, NO_PROXY) */
	bool disable_compression;

	const char *token, *token_file; /* the file wins and is read again: at most a minute old, and after a 401 */
	const char *username, *password;
	const struct api_exec *exec; /* NULL: none */
	const char *as, *as_uid;
	const char *const *as_groups;
	size_t nas_groups;
	const struct api_exec_env *as_extra; /* name: the key; several values: several rows */
	size_t nas_extra;

	int64_t request_timeout_ms; /* of --request-timeout: 0 none */
};

/*
 * Finds and merges the kubeconfig as kubectl does: --kubeconfig, else the files of KUBECONFIG, else ~/.kube/config, else the in-cluster
 * account (KUBERNETES_SERVICE_HOST and /var/run/secrets/kubernetes.io/serviceaccount). Files named in it are read.
 *
 * 0; -ENOENT: there is no kubeconfig, no flag that names a server and no account (@notes names the files of KUBECONFIG that are missing,
 * and nothing else: the caller knows what to say);
 * SD_EUSAGE: what was named is not there or contradicts itself (context, cluster, user, file, a wrong field), with a note in kubectl's
 * sense and words of ours; SD_EPARSE: a file is no kubeconfig, with the place; -ENOMEM.
 */
int api_access_load(struct arena *arena, const struct api_flags *flags, struct sd_notes *notes, struct api_access *ret);

/* The flags that repeat this choice for kubectl or svcdoctor (" --context prod --kubeconfig f"), quoted; never a secret. */
void api_flags_text(const struct api_flags *flags, struct strbuf *ret);

/* What a user of the machine may have missed: files that hold a kubeconfig on nodes of the known distributions and can be read.
 * Their paths in @arena, NULL-terminated. NULL: -ENOMEM. */
const char *const *api_kubeconfigs_here(struct arena *arena);

/*
 * The names in the kubeconfig (@path, NULL: where kubectl looks), unchecked, in the arena, NULL-terminated. 0, -ENOMEM, or what makes the
 * kubeconfig unusable.
 */
enum api_names { API_CONTEXTS, API_CLUSTERS, API_USERS };
int api_kubeconfig_names(struct arena *arena, const char *path, enum api_names what, const char *const **ret);

/* ---- requests ---- */

enum api_outcome {
	API_OK,
	API_UNAUTHORIZED, /* 401: the server does not know who this is */
	API_FORBIDDEN,	  /* 403 */
	API_NOT_FOUND,	  /* 404 of an object */
	API_NO_KIND,	  /* 404 of a resource: this server has no such group, version or kind */
	API_BUSY,	  /* 429, still after all retries */
	API_SERVER_ERROR, /* 5xx, still after all retries */
	API_REFUSED,	  /* another 4xx, or an answer of no known kind */
	API_UNREACHABLE,  /* no connection: name, route, refused; or it broke, still after all retries */
	API_NOT_TRUSTED,  /* TLS: certificate, host name, protocol */
	API_LATE,	  /* a time limit, or a body that stalls */
	API_BAD_ANSWER,	  /* no JSON, of another kind, cut off, or endless */
	API_NO_CREDENTIAL, /* an exec plugin, token file or key failed */
	API_STOPPED,	  /* the run was interrupted */
	API_NO_MEMORY,
};
/* "forbidden", "unauthorized", ...: kebab-case, for the code of a record. */
const char *api_outcome_code(enum api_outcome o);

struct api_result {
	enum api_outcome outcome;
	long status;	     /* of HTTP; 0: none came */
	const char *message; /* the server's own words (Status.message), cleaned, bounded; NULL */
	/*
	 * All strings stay until api_run is called again. @text is one line for the user, which names the resource, the status and what
	 * happened: "cannot list endpointslices in namespace 'shop': 403 forbidden: User "x" cannot list ..."; @hint the next step
	 * ("kubectl auth can-i list endpointslices.discovery.k8s.io -n shop"). Both NULL with API_OK, but for the text of what was cut.
	 */
	const char *text, *hint;
	/* It concerns the server as a whole: the text names no resource, and what waited ended with the same one. */
	bool whole;
};

/* What is asked for, for messages and rights. */
struct api_what {
	const char *verb;      /* "get", "list" */
	const char *group;     /* "" core, "discovery.k8s.io"; NULL: no resource (/version) */
	const char *resource;  /* "endpointslices", "pods/log", "nodes/proxy" */
	const char *namespace_; /* NULL: cluster-wide */
	const char *name;      /* NULL: all */
};

/* @data: the body, malloc'd, NUL-terminated behind @size, which the callback takes. Failure: NULL, but for failed_body. Not zero: -ENOMEM stops the run. */
typedef int (*api_get_fn)(void *arg, const struct api_result *r, char *data, size_t size);

/*
 * A page of a list that was answered with 200 and looks like JSON (its first byte is a brace). @data as above. @restart: the list
 * begins anew, because the continue token was too old (410): whatever earlier pages gave must be forgotten. Negative stops the run
 * (-ENOMEM), or, with SD_EPARSE, this list, which then ends with API_BAD_ANSWER.
 */
typedef int (*api_page_fn)(void *arg, char *data, size_t size, bool restart);
/* The list is at its end, or failed for good; what pages gave before stays what it is. */
typedef int (*api_end_fn)(void *arg, const struct api_result *r);

struct api_get {
	struct api_what what;
	const char *path;   /* "/api/v1/namespaces/shop/services/web", with its query; copied */
	const char *accept; /* NULL: application/json */
	size_t body_max;    /* 0: the default, 8 MiB; more is API_BAD_ANSWER, or is cut off when @may_cut */
	bool may_cut;	    /* logs: what came until a limit counts */
	bool once;	    /* no retries: a question that may well fail (a proxied GET) */
	bool failed_body;   /* @done gets the body of another status than 200 too, where one came */
	unsigned timeout_ms; /* 0: that of the run */
	api_get_fn done;
	void *arg;
};
struct api_list {
	struct api_what what;
	const char *path;   /* without limit and continue; may have a query; copied */
	const char *accept;
	unsigned limit;	    /* objects a page; 0: 500 */
	unsigned pages_max; /* 0: all; else the list ends well after so many, and api_result.text says that it is cut */
	api_page_fn page;
	api_end_fn end;
	void *arg;
};

/* What came so far; for a progress line and for tests. */
struct api_counts {
	size_t requests, answers, retries, open; /* open: requests that are not at their end */
	uint64_t bytes;				 /* of bodies, as they came over the wire */
	const char *last;			 /* the resource that was answered last; NULL */
};

struct api_options {
	int64_t deadline_ms;	 /* of all that api_run does, from api_open on; 0: none */
	int64_t request_ms;	 /* of one try; 0: 30 s, or what the access says */
	int64_t stall_ms;	 /* no byte for so long; 0: 10 s */
	unsigned parallel;	 /* requests in flight; 0: 6 */
	const volatile sig_atomic_t *stop; /* becomes true: api_run ends soon with API_STOPPED for all; NULL */
	void (*progress)(void *arg, const struct api_counts *c); /* at most ten times a second; NULL */
	void (*trace)(void *arg, const char *line); /* -v: a line for each try, with status, bytes, milliseconds; NULL */
	void *arg;
	bool may_ask;		 /* stdin is a terminal: exec plugins may ask */
	/* What repeats this run's choice of a cluster (" --context prod"), for the commands in hints; NULL: nothing. They must outlive it. */
	const char *kubectl_flags, *own_flags;
};

struct api;
/*
 * @access must outlive it. 0; SD_EPARSE: the server's URL has no usable host or port; SD_EUSAGE: a name to impersonate holds a control
 * character; -ENOMEM, or another negative code when libcurl cannot start.
 */
int api_open(const struct api_access *access, const struct api_options *o, struct api **ret);
/* Aborts what is open. NULL is nothing. */
void api_close(struct api *a);
/* Queue a request; 0 or -ENOMEM. Strings are copied. */
int api_get(struct api *a, const struct api_get *g);
int api_list(struct api *a, const struct api_list *l);
/*
 * Runs until nothing is open. 0; a callback's negative code; -ENOMEM. What became of the requests went to their callbacks. After the
 * first 401 that a fresh credential does not mend, or when the server cannot be reached or trusted at all, requests that wait end with
 * the same outcome, without being tried one by one.
 */
int api_run(struct api *a);
/*
 * For another look, between two runs: the deadline counts from now on, and what ended everything early (401, unreachable) is tried
 * again. Connections and credentials stay. @deadline_ms: as in the options.
 */
void api_again(struct api *a, int64_t deadline_ms);
struct api_counts api_count(const struct api *a);
/* Appends "/", or "&name=" or "?name=", and @value, percent-encoded. */
void api_path_add(struct strbuf *b, const char *segment);
void api_query_add(struct strbuf *b, const char *name, const char *value);

#endif
