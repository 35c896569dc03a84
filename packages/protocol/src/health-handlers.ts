/* grpc.health.v1: whether the server, or one of its services, answers. */

import { untilAborted } from "@firn/base";
import { messageCodec } from "./codec.ts";
import { ProtocolError } from "./error.ts";
import {
  Health,
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus as Status,
  HealthCheckResponseSchema,
} from "./gen/grpc/health/v1/health_pb.ts";
import { defineMethod, type RpcHandler, serverStream, unary } from "./rpc.ts";

const REQUEST = messageCodec(HealthCheckRequestSchema);
const RESPONSE = messageCodec(HealthCheckResponseSchema);

const CHECK = defineMethod(Health.method.check, REQUEST, RESPONSE);
const WATCH = defineMethod(Health.method.watch, REQUEST, RESPONSE);

/** `stopping` fires when the server will take no more calls. */
export function healthHandlers(services: ReadonlySet<string>, stopping: AbortSignal): readonly RpcHandler[] {
  const isKnown = (service: string) => service === "" || services.has(service);
  const statusNow = () => (stopping.aborted ? Status.NOT_SERVING : Status.SERVING);
  return [
    unary(CHECK, async ({ service }) => {
      if (isKnown(service)) return RESPONSE.make({ status: statusNow() });
      throw new ProtocolError("not-found", `this server has no service ${service.slice(0, 200)}`);
    }),
    serverStream(WATCH, async function* ({ service }, { signal }) {
      if (!isKnown(service)) {
        yield RESPONSE.make({ status: Status.SERVICE_UNKNOWN });
        await untilAborted(signal);
        return;
      }
      yield RESPONSE.make({ status: statusNow() });
      await untilAborted(AbortSignal.any([signal, stopping]));
      if (!signal.aborted) yield RESPONSE.make({ status: Status.NOT_SERVING });
    }),
  ];
}
