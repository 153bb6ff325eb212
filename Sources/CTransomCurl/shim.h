// libcurl's functions that take an argument of any type, as one typed function for each kind of argument.
#ifndef CTRANSOM_CURL_H
#define CTRANSOM_CURL_H

#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

static inline CURLcode ctransom_easy_set_long(CURL *easy, CURLoption option, long value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ctransom_easy_set_size(CURL *easy, CURLoption option, long long value) {
  return curl_easy_setopt(easy, option, (curl_off_t)value);
}

static inline CURLcode ctransom_easy_set_text(CURL *easy, CURLoption option, const char *value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ctransom_easy_set_pointer(CURL *easy, CURLoption option,
                                                 const void *value) {
  return curl_easy_setopt(easy, option, value);
}

static inline CURLcode ctransom_easy_set_headers(CURL *easy, struct curl_slist *list) {
  return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
}

static inline CURLcode ctransom_easy_set_write(CURL *easy, curl_write_callback function) {
  return curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, function);
}

typedef curl_socket_t (*ctransom_open_socket)(void *context, curlsocktype purpose,
                                              struct curl_sockaddr *address);

static inline CURLcode ctransom_easy_set_open_socket(CURL *easy, ctransom_open_socket function) {
  return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, function);
}

static inline long ctransom_easy_status(CURL *easy) {
  long status = 0;
  return curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK ? status : 0;
}

static inline CURLMcode ctransom_multi_set_long(CURLM *multi, CURLMoption option, long value) {
  return curl_multi_setopt(multi, option, value);
}

static inline CURLMcode ctransom_multi_set_socket(CURLM *multi, curl_socket_callback function,
                                                  void *context) {
  CURLMcode code = curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, context);
  return code != CURLM_OK ? code : curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, function);
}

static inline CURLMcode ctransom_multi_set_timer(CURLM *multi, curl_multi_timer_callback function,
                                                 void *context) {
  CURLMcode code = curl_multi_setopt(multi, CURLMOPT_TIMERDATA, context);
  return code != CURLM_OK ? code : curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, function);
}

/// The transfer that a message says is done; NULL if it says something else.
static inline CURL *ctransom_message_done(const CURLMsg *message, CURLcode *result) {
  if (message->msg != CURLMSG_DONE) return NULL;
  *result = message->data.result;
  return message->easy_handle;
}

/// Copies an IP address in network order, and returns its length; 0 if it is of another family.
static inline int ctransom_address_bytes(const struct curl_sockaddr *address,
                                         unsigned char bytes[16]) {
  if (address->family == AF_INET) {
    struct sockaddr_in v4;
    memcpy(&v4, &address->addr, sizeof v4);
    memcpy(bytes, &v4.sin_addr, 4);
    return 4;
  }
  if (address->family == AF_INET6) {
    struct sockaddr_in6 v6;
    memcpy(&v6, &address->addr, sizeof v6);
    memcpy(bytes, &v6.sin6_addr, 16);
    return 16;
  }
  return 0;
}

static inline curl_socket_t ctransom_socket(const struct curl_sockaddr *address) {
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

enum {
  CTRANSOM_HTTP_VERSION_2TLS = CURL_HTTP_VERSION_2TLS,
  CTRANSOM_CSELECT_IN = CURL_CSELECT_IN,
  CTRANSOM_CSELECT_OUT = CURL_CSELECT_OUT,
  CTRANSOM_CSELECT_ERR = CURL_CSELECT_ERR,
  CTRANSOM_HEADER_ORIGIN = CURLH_HEADER,
};

static const curl_socket_t ctransom_bad_socket = CURL_SOCKET_BAD;
static const curl_socket_t ctransom_timeout_socket = CURL_SOCKET_TIMEOUT;

#endif
