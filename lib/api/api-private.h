/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef API_PRIVATE_H
#define API_PRIVATE_H

/* What the files of lib/api share: the credentials that requests carry (credential.c, exec.c; the client asks for them). */

#include <svcdoctor/api.h>

/* What a request carries now. The strings are the login's, and stay until the next api_login_get. */
struct api_credential {
	const char *token;		    /* NULL: none */
	const char *username, *password;    /* NULL: none */
	struct api_pem cert, key;	    /* the kubeconfig's, or those that a plugin gave */
	unsigned generation;		    /* another one after each change: a connection with the certificates of an older one is not used again */
};

/* Credentials over the time of a run: token files are read again, plugins are asked again when what they gave expires. */
struct api_login;
/* @access must outlive it. 0 or -ENOMEM. */
int api_login_new(const struct api_access *access, bool may_ask, const volatile sig_atomic_t *stop, struct api_login **ret);
void api_login_free(struct api_login *l);
/*
 * @fresh: the server refused (401) what was given last. 0: @ret is set, to something new where @fresh and that is possible, which the
 * generation tells. SD_EUSAGE: the plugin, token file or key failed, and @ret_text (and @ret_hint, which may be NULL; both the login's)
 * say why in one line, cleaned; -EINTR: stopped; -ENOMEM. A plugin runs at most 60 s, is killed with its children when the run stops, and its standard error
 * is the user's terminal, or goes into the text when it is none.
 */
int api_login_get(struct api_login *l, bool fresh, struct api_credential *ret, const char **ret_text, const char **ret_hint);

#endif
