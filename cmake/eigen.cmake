# Defines etaflow::eigen: the system's Eigen where CMake finds one, else the headers of the build requirement `cmeel-eigen`,
# asked from the interpreter so that it also works in pip's isolated build environment.
find_package(Eigen3 CONFIG QUIET)
if(Eigen3_FOUND AND Eigen3_VERSION VERSION_GREATER_EQUAL 3.4)
  add_library(etaflow::eigen ALIAS Eigen3::Eigen)
  message(STATUS "Eigen ${Eigen3_VERSION}: ${Eigen3_DIR}")
  return()
endif()

execute_process(
  COMMAND "${Python_EXECUTABLE}" -c
          "from importlib.metadata import distribution as d; print(d('cmeel-eigen').locate_file('cmeel.prefix/include/eigen3'))"
  OUTPUT_VARIABLE cmeel_eigen ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT EXISTS "${cmeel_eigen}/Eigen/Core")
  message(FATAL_ERROR "Eigen >= 3.4 was not found: install it (libeigen3-dev) or `${Python_EXECUTABLE} -m pip install cmeel-eigen`")
endif()
add_library(etaflow_eigen INTERFACE)
target_include_directories(etaflow_eigen SYSTEM INTERFACE "${cmeel_eigen}")
add_library(etaflow::eigen ALIAS etaflow_eigen)
message(STATUS "Eigen of cmeel-eigen: ${cmeel_eigen}")
