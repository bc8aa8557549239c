/** `varve sessions`: writers that are at work, or were when they died. */
import type { Define } from "../command-list.ts";
import type { CliContext } from "../context.ts";
import { formatTime, isoTime } from "../human.ts";
import { safeLine } from "../safe-text.ts";
import { formatTable } from "../table.ts";

const columns = ["ID", "Started", "Command", "Who", "State"].map((title) => ({ title }));

export const define: Define = (command, run) => {
  command.description(
    "List writers that are at work on the repository, or were when they died. Nobody waits " +
      "for a dead one: a prune sets it aside once it has stood still for five minutes.",
  );
  command.action(run(sessions));
};

async function sessions(context: CliContext): Promise<undefined> {
  const { withRepository } = await import("../open-repository.ts");
  const { isSessionGone, listSessions } = await import("../../repo/session.ts");
  await withRepository(context, async ({ repository }) => {
    const { output, zone } = context;
    const listed = await listSessions(repository.store, repository.keys);
    const rows = listed.map(({ id, lease }) => {
      const isGone = isSessionGone(lease, repository.host);
      output.row({
        id,
        command: lease.command,
        host: lease.host,
        user: lease.user,
        pid: lease.pid,
        started: isoTime(lease.startedNs),
        beat: lease.beat,
        program: lease.program,
        gone: isGone,
      });
      const who = `${lease.user}@${lease.host} (${lease.pid})`;
      const state = isGone ? "dead" : "at work, or unknown";
      const started = formatTime(lease.startedNs, zone);
      return [id.slice(0, 8), started, lease.command, who, state].map(safeLine);
    });
    if (rows.length > 0) output.lines(formatTable(columns, rows));
    else output.summary("Nobody is at work.");
  });
}
