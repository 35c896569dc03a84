/* The one error class of backend-nix-daemon. */

import { FirnError } from "@firn/base";

/**
 * - `unreachable`: nobody listens on the socket, or the connection broke. Such a call may succeed later.
 * - `protocol`: what came is not Nix's worker protocol, or a version that is not spoken here.
 * - `refused`: the daemon answered with an error; the message is the daemon's.
 */
export type NixDaemonErrorCode = "unreachable" | "protocol" | "refused";

export class NixDaemonError extends FirnError<NixDaemonErrorCode> {}
