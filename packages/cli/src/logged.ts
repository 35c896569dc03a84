/*
What an evaluation says while it runs: traces and warnings of the program, Firn's warnings about the program, lines that were asked for.
*/

import type { FailureData, NoteKind } from "./evaluator/job.ts";
import { diagnosticOfFailure } from "./diagnostic.ts";
import type { Output } from "./output.ts";
import { evaluationText } from "./report.ts";

/** `text` is a byte string; `about` says more of a warning. */
export async function sayLogged(
  kind: NoteKind,
  text: string,
  about: FailureData | undefined,
  output: Output,
): Promise<void> {
  const message = evaluationText(text);
  switch (kind) {
    case "info":
      return output.note(message.trimEnd());
    case "trace":
      return output.say({ level: "trace", code: "trace", message, text: `trace: ${message}` });
    case "evaluation-warning":
      return output.say({
        level: "warning",
        code: "evaluation-warning",
        message,
        text: `${output.styled(output.stderr, "yellow", "evaluation warning:")} ${message}`,
      });
    case "warning": {
      if (about === undefined) return output.warn(message, { code: "eval.warning" });
      const data = diagnosticOfFailure(about);
      return output.warn(message, { ...data, code: `eval.${data.code}` });
    }
  }
}
