include(CMakePackageConfigHelpers)
install(TARGETS apq RUNTIME)
install(TARGETS ${APQ_ROOM_TARGETS} EXPORT apqTargets ARCHIVE)
install(DIRECTORY include/apq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY configs jobs DESTINATION ${CMAKE_INSTALL_DATADIR}/apq)
install(EXPORT apqTargets NAMESPACE apq:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/apq)
configure_package_config_file(cmake/apqConfig.cmake.in ${CMAKE_BINARY_DIR}/apqConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/apq)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/apqConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/apqConfig.cmake ${CMAKE_BINARY_DIR}/apqConfigVersion.cmake
              cmake/Dependencies.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/apq)
