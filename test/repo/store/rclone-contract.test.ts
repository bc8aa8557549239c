/** The suite of all stores, unchanged, on remotes of rclone that keep objects in memory. */

import { rcloneStore } from "../../helpers/rclone-place.ts";
import { storeContract } from "../../helpers/store-contract.ts";

let count = 0;
storeContract("an rclone store", () => ({ store: rcloneStore(`:memory:bucket/${count++}`) }));
