#ifndef CTRANSOM_PQ_H
#define CTRANSOM_PQ_H

#include <libpq-fe.h>

#endif
