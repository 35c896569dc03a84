/*
OpenTelemetry's spans of a server: one for each call that comes in, continuing the caller's trace, and below it one for each call of the store's services. Only OpenTelemetry's
interface is here. Its implementation, which is large, is the user's to load (`NODE_OPTIONS=--require …`); without it nothing is wrapped and nothing costs.
*/

import { context, propagation, type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { messageOf } from "@firn/base";
import { type Interceptor, InterceptedBlobs, InterceptedDirectories, type ServiceCall } from "@firn/castore";
import type { RpcServerOptions } from "@firn/protocol/node";
import { InterceptedPathInfos, type StoreServices } from "@firn/store";
import { VERSION } from "../version.ts";

const TRACE_HEADERS = ["traceparent", "tracestate", "baggage"];

function tracer() {
  return trace.getTracer("firn", VERSION);
}

/** Whether somebody records spans in this process. */
export function areSpansRecorded(): boolean {
  const span = tracer().startSpan("firn serve");
  const isRecorded = span.isRecording();
  span.end();
  return isRecorded;
}

function failed(span: Span, thrown: unknown): void {
  span.recordException(thrown instanceof Error ? thrown : String(thrown));
  span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(thrown) });
}

/** Runs a call that came in below a span of its own. */
export const callSpans: NonNullable<RpcServerOptions["around"]> = (path, metadata, run) => {
  const carrier: Record<string, string> = {};
  for (const name of TRACE_HEADERS) {
    const value = metadata(name);
    if (value !== undefined) carrier[name] = value;
  }
  const [, service, method] = path.split("/");
  const attributes = { "rpc.system": "grpc", "rpc.service": service, "rpc.method": method };
  const parent = propagation.extract(context.active(), carrier);
  return tracer().startActiveSpan(path.slice(1), { kind: SpanKind.SERVER, attributes }, parent, async (span) => {
    try {
      await run();
    } catch (thrown) {
      failed(span, thrown);
      throw thrown;
    } finally {
      span.end();
    }
  });
};

/** A store whose every call is a span. */
export function withSpans<Store extends StoreServices>(store: Store): Store {
  return {
    ...store,
    blobs: new InterceptedBlobs(store.blobs, serviceSpans("blobs")),
    directories: new InterceptedDirectories(store.directories, serviceSpans("directories")),
    pathInfos: new InterceptedPathInfos(store.pathInfos, serviceSpans("pathInfos")),
  };
}

function serviceSpans(service: string): Interceptor {
  const start = ({ operation, subject }: ServiceCall) =>
    tracer().startSpan(`${service}.${operation}`, {
      attributes: subject === undefined ? {} : { "firn.subject": subject },
    });
  return {
    async call(call, run) {
      const span = start(call);
      try {
        return await context.with(trace.setSpan(context.active(), span), run);
      } catch (thrown) {
        failed(span, thrown);
        throw thrown;
      } finally {
        span.end();
      }
    },
    async *stream(call, begin, bytesOf) {
      const span = start(call);
      let bytes = 0;
      try {
        for await (const item of begin()) {
          bytes += bytesOf(item);
          yield item;
        }
      } catch (thrown) {
        failed(span, thrown);
        throw thrown;
      } finally {
        span.setAttribute("firn.bytes", bytes);
        span.end();
      }
    },
  };
}
