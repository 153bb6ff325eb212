#ifndef CTRANSOM_JSON_H
#define CTRANSOM_JSON_H
#endif
