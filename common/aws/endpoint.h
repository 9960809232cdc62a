/* Where a service is: AWS_ENDPOINT_URL_<SERVICE>, AWS_ENDPOINT_URL, or its host
 * of the region, as every SDK has it. */
#pragma once

/* Owner: the caller frees the URL, which has no slash at its end. */
char *endpoint_of(const char *service, const char *region);
