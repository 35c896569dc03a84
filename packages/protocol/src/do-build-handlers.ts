/*
build.v1 of Snix and of Tvix over Firn's builder: one request, one build, the answer when it is done. What the request asks that a recipe cannot say is refused.
*/

import { byteStringOf, byteStringOfText } from "@firn/base";
import { type Attempt, type BuildService, describeEnd, hasEnded, type Recipe } from "@firn/build";
import {
  BUILD_REQUEST,
  SNIX_BUILD_RESPONSE,
  SNIX_DO_BUILD,
  TVIX_BUILD,
  TVIX_BUILD_REQUEST,
  TVIX_DO_BUILD,
} from "./build-methods.ts";
import { ProtocolError } from "./error.ts";
import type { BuildRequest } from "./gen/snix/build/v1/build_pb.ts";
import type { HeldLeases } from "./held-leases.ts";
import { messageOfNode, nodeOfMessage } from "./node-message.ts";
import { type RpcContext, type RpcHandler, unary } from "./rpc.ts";

export function doBuildHandlers(service: BuildService, leases: HeldLeases): readonly RpcHandler[] {
  const build = async (request: BuildRequest, context: RpcContext): Promise<Attempt> => {
    const { signal, lease } = leases.optionsOf(context);
    const [id] = await service.submit([{ recipe: recipeOfRequest(request) }], { lease, signal });
    let last: Attempt | undefined;
    for await (const event of service.watch(id, { log: false, signal })) if (event.type !== "log") last = event.attempt;
    if (last?.status === "succeeded") return last;
    const end = last !== undefined && hasEnded(last) ? last.end : undefined;
    throw new ProtocolError(
      "internal",
      end === undefined ? "the build ended without a word" : `the build ${describeEnd(end)}`,
    );
  };
  return [
    unary(SNIX_DO_BUILD, async (request, context) => {
      const { outputs } = await build(request, context);
      return SNIX_BUILD_RESPONSE.make({
        outputs: outputs.map(({ node, needles }) => ({
          output: messageOfNode(node, ""),
          needles: needles.map(BigInt),
        })),
      });
    }),
    unary(TVIX_DO_BUILD, async (request, context) => {
      const { outputs } = await build(request, context);
      const named = outputs
        .map((output) => ({ ...output, name: output.path.slice(output.path.lastIndexOf("/") + 1) }))
        .sort((left, right) => (left.name < right.name ? -1 : 1));
      // The other dialect's message has the same bytes.
      const [encoded] = BUILD_REQUEST.encode(request);
      return TVIX_BUILD.make({
        buildRequest: TVIX_BUILD_REQUEST.decode(encoded),
        outputs: named.map(({ node, name }) => tvixNode(messageOfNode(node, name))),
        outputsNeedles: named.map(({ needles }) => ({ needles: needles.map(BigInt) })),
      });
    }),
  ];
}

/** Tvix calls the same field otherwise. */
function tvixNode({ entry }: ReturnType<typeof messageOfNode>) {
  return { node: entry } as never;
}

/** The recipe of a request. Its rules are checked where it is submitted. */
function recipeOfRequest(request: BuildRequest): Recipe {
  const { constraints, scratchPaths, workingDir, outputs } = request;
  if (constraints === undefined || constraints.system === "")
    throw new ProtocolError("invalid-argument", "the request says no system");
  if (constraints.availableRoPaths.length > 0)
    throw new ProtocolError("failed-precondition", "paths of the builder's host are not shown to builds here");
  const parents = outputs.map((output) => output.slice(0, Math.max(0, output.lastIndexOf("/"))));
  const other = scratchPaths.find((path) => path !== workingDir && !parents.includes(path));
  if (other !== undefined)
    throw new ProtocolError(
      "failed-precondition",
      `only the working directory and outputs' parents can be written, not ${other.slice(0, 200)}`,
    );
  const below = (name: string) => (request.inputsDir === "" ? name : `${byteStringOfText(request.inputsDir)}/${name}`);
  return {
    inputs: request.inputs.map((entry) => {
      const { name, node } = nodeOfMessage(entry);
      return { path: below(name), node };
    }),
    argv: request.commandArgs.map(byteStringOfText),
    env: request.environmentVars.map(({ key, value }) => ({ name: byteStringOfText(key), value: byteStringOf(value) })),
    files: request.additionalFiles.map(({ path, contents }) => ({
      path: byteStringOfText(path),
      contents: byteStringOf(contents),
    })),
    workingDirectory: byteStringOfText(workingDir),
    outputs: outputs.map(byteStringOfText),
    constraints: {
      system: constraints.system,
      features: [],
      network: constraints.networkAccess,
      shell: constraints.provideBinSh,
    },
    needles: request.refscanNeedles.map(byteStringOfText),
  };
}
