// Where three.js shows the points of a GLB's skinned meshes at times of its first animation, in seconds, as JSON, by
// the meshes' names: `node play.js FILE TIME ...`.
import { readFileSync } from "node:fs";
import { AnimationMixer, LoopOnce, Vector3 } from "three";
import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";

const [file, ...times] = process.argv.slice(2);
const gltf = await new GLTFLoader().parseAsync(new Uint8Array(readFileSync(file)).buffer, "");
const mixer = new AnimationMixer(gltf.scene);
for (const animation of gltf.animations.slice(0, 1)) {
  const action = mixer.clipAction(animation).setLoop(LoopOnce);
  action.clampWhenFinished = true; // else the last frame would be the first again
  action.play();
}
const shown = times.map((time) => {
  mixer.setTime(Number(time));
  gltf.scene.updateMatrixWorld(true);
  const meshes = {};
  gltf.scene.traverse((object) => {
    if (!object.isSkinnedMesh) return;
    const point = new Vector3();
    meshes[object.name] = Array.from({ length: object.geometry.attributes.position.count }, (_, number) =>
      object.getVertexPosition(number, point).applyMatrix4(object.matrixWorld).toArray());
  });
  return meshes;
});
console.log(JSON.stringify(shown));
