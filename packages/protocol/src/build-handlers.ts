/* Firn's builds, served. A submission outlives the call that made it, and is taken back by another call. */

import type { BuildService, SubmitOptions, SubmittedRecipe } from "@firn/build";
import { attemptStatusOf, messageOfAttempt } from "./attempt-message.ts";
import {
  BUILD_METHODS,
  CANCEL_RESPONSE,
  GET_ATTEMPT_RESPONSE,
  GET_RECIPE_RESPONSE,
  LIST_ATTEMPTS_RESPONSE,
  REFUSE_RESPONSE,
  SUBMIT_RESPONSE,
  SUPPORTS_RESPONSE,
  WATCH_RESPONSE,
  WITHDRAW_RESPONSE,
} from "./build-methods.ts";
import { digestOfRequest } from "./digest-list.ts";
import { ProtocolError } from "./error.ts";
import type { SubmitRequest_Options } from "./gen/firn/build/v1/build_pb.ts";
import type { HeldLeases } from "./held-leases.ts";
import { numberOfBig, numberOfMessage } from "./node-message.ts";
import { messageOfRecipe, recipeOfMessage } from "./recipe-message.ts";
import { clientStream, type RpcHandler, serverStream, unary } from "./rpc.ts";

const SUBMISSION_RECIPES_MAX = 1 << 17;
/** Submissions that can be taken back; the oldest are forgotten. */
const SUBMISSIONS_MAX = 10_000;

export function buildHandlers(service: BuildService, leases: HeldLeases): readonly RpcHandler[] {
  const submissions = new Map<string, AbortController>();
  const methods = BUILD_METHODS;
  return [
    unary(methods.supports, async () => {
      const { systems, features, isolation } = service.supports;
      return SUPPORTS_RESPONSE.make({
        systems: [...systems],
        features: [...features],
        isolatesFiles: isolation.files,
        isolatesNetwork: isolation.network,
        isolatesProcesses: isolation.processes,
      });
    }),
    clientStream(methods.submit, async (messages, context) => {
      const recipes: SubmittedRecipe[] = [];
      let given: SubmitRequest_Options | undefined;
      for await (const { options, recipe, label, chainMs } of messages) {
        given ??= options;
        if (recipes.length === SUBMISSION_RECIPES_MAX)
          throw new ProtocolError("resource-exhausted", `a submission has more than ${SUBMISSION_RECIPES_MAX} recipes`);
        recipes.push({ recipe: recipeOfMessage(recipe), label, chainMs: numberOfBig(chainMs) });
      }
      const { lease } = leases.optionsOf(context);
      const withdrawn = new AbortController();
      const attempts = await service.submit(recipes, { ...optionsOf(given), lease, signal: withdrawn.signal });
      const submission = crypto.randomUUID(); // nobody takes back what is another's by guessing
      submissions.set(submission, withdrawn);
      for (const [oldest] of submissions) {
        if (submissions.size <= SUBMISSIONS_MAX) break;
        submissions.delete(oldest);
      }
      return SUBMIT_RESPONSE.make({ submission, attempts: [...attempts] });
    }),
    unary(methods.withdraw, async ({ submission }) => {
      submissions.get(submission)?.abort(new ProtocolError("cancelled", "the submission was withdrawn"));
      submissions.delete(submission);
      return WITHDRAW_RESPONSE.make({});
    }),
    serverStream(methods.watch, async function* ({ id, from, withoutLog }, { signal }) {
      for await (const event of service.watch(id, {
        from: numberOfMessage(from, "an offset"),
        log: !withoutLog,
        signal,
      })) {
        if (event.type === "log")
          yield WATCH_RESPONSE.make({ event: { case: "log", value: { bytes: event.bytes, at: BigInt(event.at) } } });
        else yield WATCH_RESPONSE.make({ event: { case: event.type, value: messageOfAttempt(event.attempt) } });
      }
    }),
    unary(methods.cancel, async ({ id }) => {
      await service.cancel(id);
      return CANCEL_RESPONSE.make({});
    }),
    unary(methods.refuse, async ({ id, reason, why }) => {
      if (reason !== "check-failed" && reason !== "hash-mismatch")
        throw new ProtocolError("invalid-argument", "a success is refused for check-failed or hash-mismatch");
      await service.refuse(id, { reason, why });
      return REFUSE_RESPONSE.make({});
    }),
    unary(methods.getAttempt, async ({ id }) => {
      const attempt = await service.get(id);
      return GET_ATTEMPT_RESPONSE.make({ attempt: attempt && messageOfAttempt(attempt) });
    }),
    unary(methods.listAttempts, async ({ recipe, label, status, idPrefix, sinceMs, limit, cursor }) => {
      const page = await service.list({
        recipe: recipe && digestOfRequest(recipe),
        label,
        status: status === undefined ? undefined : attemptStatusOf(status),
        idPrefix,
        sinceMs: numberOfBig(sinceMs),
        limit,
        cursor,
      });
      return LIST_ATTEMPTS_RESPONSE.make({ attempts: page.attempts.map(messageOfAttempt), next: page.next });
    }),
    unary(methods.getRecipe, async ({ digest }) => {
      const recipe = await service.recipe(digestOfRequest(digest));
      return GET_RECIPE_RESPONSE.make({ recipe: recipe && messageOfRecipe(recipe) });
    }),
  ];
}

function optionsOf(given: SubmitRequest_Options | undefined): SubmitOptions {
  if (given === undefined) return {};
  return {
    reuse: given.reusesSuccess ? "success" : "never",
    keepGoing: given.keepsGoing,
    preferLocal: given.prefersLocal,
    timeoutMs: numberOfBig(given.timeoutMs),
    silenceMs: numberOfBig(given.silenceMs),
    buildSpaceBytes: numberOfBig(given.buildSpaceBytes),
    memoryBytes: numberOfBig(given.memoryBytes),
    logBytesMax: numberOfBig(given.logBytesMax),
  };
}
