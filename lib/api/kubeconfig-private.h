/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef KUBECONFIG_PRIVATE_H
#define KUBECONFIG_PRIVATE_H

/*
 * What the files of kubeconfig share. kubeconfig-file.c turns a file into these structs, kubeconfig-merge.c finds the files and merges them,
 * kubeconfig.c makes a choice of them and the flags and judges it, kubeconfig-account.c is a pod's own account, kubeconfig-flags.c the rest.
 * The reference is client-go's tools/clientcmd. Texts that are not given are "", never NULL, and all lies in the caller's arena.
 */

#include <svcdoctor/api.h>

struct kc_data {
	const char *v;
	size_t size;
};
struct kc_texts {
	const char *const *v;
	size_t len;
};
struct kc_pairs {
	const struct api_exec_env *v;
	size_t len;
};

/* Where an entry stands: paths in it are relative to the folder. */
struct kc_origin {
	const char *name, *file, *folder;
};

struct kc_cluster {
	struct kc_origin from;
	const char *server, *tls_server_name, *ca_file, *proxy_url;
	struct kc_data ca_data;
	bool insecure, disable_compression;
	const char *exec_config; /* JSON text of extension client.authentication.k8s.io/exec, or "" */
};

struct kc_exec {
	bool given, provide_cluster_info;
	const char *command, *api_version, *install_hint, *interactive;
	struct kc_texts args;
	struct kc_pairs env;
};

struct kc_user {
	struct kc_origin from;
	const char *cert_file, *key_file, *token_file, *token, *username, *password;
	struct kc_data cert_data, key_data;
	const char *as, *as_uid;
	struct kc_texts as_groups;
	struct kc_pairs as_extra;
	bool has_provider;
	const char *provider; /* name of an auth-provider */
	struct kc_exec exec;
};

struct kc_context {
	struct kc_origin from;
	const char *cluster, *user, *namespace_;
};

enum kc_list { KC_CLUSTERS, KC_USERS, KC_CONTEXTS, KC_LISTS };
struct kubeconfig {
	ARRAY_OF(void *) entries[KC_LISTS]; /* struct kc_cluster, kc_user, kc_context */
	struct map by_name[KC_LISTS];
	const char *current, *current_file;
	ARRAY_OF(const char *) files;	/* those that were read */
	ARRAY_OF(const char *) missing; /* those of the list that are not there */
};
void kubeconfig_release(struct kubeconfig *k);

/*
 * kubeconfig-file.c: adds what @text says; names that are there already stay as they are. @file is the name for messages, @folder absolute.
 * 0; SD_EPARSE with a note; -ENOMEM.
 */
int kubeconfig_decode(struct arena *arena, const char *text, size_t size, const char *file, const char *folder, struct sd_notes *notes,
		      struct kubeconfig *k);
/* Absolute and without ".", ".." and double slashes, as Go's filepath.Join: @path itself when it is absolute. NULL: -ENOMEM. */
const char *path_join(struct arena *arena, const char *folder, const char *path);

/* kubeconfig-merge.c: the files that kubectl would read. 0; SD_EUSAGE, SD_EPARSE with notes; -ENOMEM. */
int kubeconfig_load(struct arena *arena, const char *explicit_path, struct sd_notes *notes, struct kubeconfig *k);
/* A whole file of @max bytes at most, also a pipe or /dev/null, in @arena. 0, -errno, SD_ELIMIT. */
int kubeconfig_read(struct arena *arena, const char *path, size_t max, struct kc_data *ret);

/* kubeconfig-account.c. @folder: /var/run/secrets/kubernetes.io/serviceaccount. */
#define ACCOUNT_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"
bool account_possible(const char *folder);
const char *account_namespace(struct arena *arena, const char *folder); /* NULL: none says */
/* 0; SD_EUSAGE with notes; -ENOMEM. */
int account_access(struct arena *arena, const char *folder, const struct api_flags *flags, struct sd_notes *notes, struct api_access *ret);

/* kubeconfig-flags.c */
/* "5", "1m30s": Go's time.ParseDuration, or seconds. 0, SD_EPARSE. */
int parse_timeout(const char *s, int64_t *ret_ms);
/* One word of a command for a shell. */
void add_word(struct strbuf *b, const char *s);

/* kubeconfig-url.c: a server as client-go's rest.DefaultServerURL reads it. */
struct server_url {
	const char *url; /* scheme, host, port and path, without a slash at the end */
	bool tls;
	const char *username, *password; /* of the URL; NULL: none */
};
/* 0; SD_EPARSE with a reason; -ENOMEM. */
int server_parse(struct arena *arena, const char *text, struct server_url *ret, const char **ret_why);
bool proxy_url_ok(const char *url);

/* kubeconfig.c, with another folder of the account: for tests. */
int kubeconfig_access(struct arena *arena, const struct api_flags *flags, const char *account, struct sd_notes *notes,
		      struct api_access *ret);
/* A PEM file that must hold a block whose label ends with @label. 0; SD_EUSAGE with a note; -ENOMEM. */
int read_pem(struct arena *arena, const char *path, const char *what, const char *label, struct sd_notes *notes, struct api_pem *ret);

/* Has it a PEM block whose label ends with @label? */
bool pem_has(const struct kc_data *pem, const char *label);

/* credential.c: may this stand in a header? */
bool header_ok(const char *s);

/* exec.c */
struct exec_answer {
	const char *token; /* NULL: none */
	struct api_pem cert, key;
	int64_t expires; /* seconds since 1970; INT64_MAX: never */
};
/*
 * Runs the plugin of @access. 0; SD_EUSAGE with one cleaned line in @why, and @ret_hint (in @arena; NULL: none); -EINTR: @stop; -ENOMEM.
 * @may_ask: it may have the terminal.
 */
int exec_ask(struct arena *arena, const struct api_access *access, bool may_ask, const volatile sig_atomic_t *stop, struct exec_answer *ret,
	     struct strbuf *why, const char **ret_hint);
/* What a plugin printed. 0; SD_EUSAGE with @why; -ENOMEM. */
int exec_read_answer(struct arena *arena, const struct api_exec *x, const char *text, size_t size, struct exec_answer *ret,
		     struct strbuf *why);
/* The value of KUBERNETES_EXEC_INFO; NULL: -ENOMEM. */
const char *exec_info(struct arena *arena, const struct api_access *access, bool interactive);

/* base64.c */
/* Go's base64.StdEncoding, which leaves out line ends. 0, SD_EPARSE, -ENOMEM. */
int base64_decode(struct arena *arena, const char *s, size_t len, struct kc_data *ret);
void base64_encode(struct strbuf *b, const char *data, size_t size);

#endif
