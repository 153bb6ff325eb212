#include "CTransomJSON.h"
